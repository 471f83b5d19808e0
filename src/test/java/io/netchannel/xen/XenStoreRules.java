package io.netchannel.xen;

import io.netchannel.xen.XenStorePermission.Access;
import java.util.Collections;
import java.util.List;
import java.util.function.BiFunction;
import java.util.stream.Stream;

/** Who may do what, and what comes of it: the table of {@link XenStoreContractTest}. */
final class XenStoreRules {
  /** The value of a guest's node of this length just fits into its quota: 24 + 8 + value < 2048. */
  private static final int LARGEST_GUEST_VALUE_BYTES = 2015;

  private static final int PAYLOAD_BYTES = 4096;

  private XenStoreRules() {}

  /** Where a row works; for each row a new domain. */
  record Place(int domid) {
    /** Domain 0's own, unreadable for the guest; below it a = 1. */
    String secret() {
      return "/secret" + domid;
    }

    /** Domain 0's, readable for the guest. */
    String home() {
      return "/local/domain/" + domid;
    }

    /** The guest's own. */
    String own() {
      return home() + "/own";
    }

    /** Domain 0's, the guest may read and write. */
    String shared() {
      return home() + "/shared";
    }

    /** Domain 0's, the guest may write only. */
    String drop() {
      return home() + "/drop";
    }

    void prepare(XenStore store) {
      store.write(secret() + "/a", "1");
      store.write(home() + "/name", "guest");
      store.mkdir(own());
      store.mkdir(shared());
      store.mkdir(drop());
      store.setPermissions(home(), List.of(owner(0), allow(Access.READ)));
      store.setPermissions(home() + "/name", List.of(owner(0), allow(Access.READ)));
      store.setPermissions(own(), List.of(owner(domid)));
      store.setPermissions(shared(), List.of(owner(0), allow(Access.BOTH)));
      store.setPermissions(drop(), List.of(owner(0), allow(Access.WRITE)));
    }

    XenStorePermission allow(Access access) {
      return new XenStorePermission(domid, access);
    }

    static XenStorePermission owner(int domid) {
      return new XenStorePermission(domid, Access.NONE);
    }
  }

  enum Who {
    DOM0,
    GUEST
  }

  /**
   * @param expected the result in words, or the reason of the refusal
   */
  record Rule(
      Who who, String what, BiFunction<XenStore, Place, Object> operation, String expected) {}

  private static Rule dom0(String what, BiFunction<XenStore, Place, Object> op, String expected) {
    return new Rule(Who.DOM0, what, op, expected);
  }

  private static Rule guest(String what, BiFunction<XenStore, Place, Object> op, String expected) {
    return new Rule(Who.GUEST, what, op, expected);
  }

  private static Object done(Runnable operation) {
    operation.run();
    return "done";
  }

  private static Rule invalid(String path) {
    return dom0("reads the path '" + path + "'", (s, at) -> s.read(path), "INVALID");
  }

  private static String letters(XenStore store, String path, Place place) {
    return String.join(
        " ",
        store.permissions(path).stream()
            .map(p -> (p.domid() == place.domid() ? "guest" : "dom" + p.domid()) + ":" + p.access())
            .toList());
  }

  static Stream<Rule> all() {
    return Stream.of(reading(), writing(), removing(), permitting(), paths(), quotas())
        .flatMap(rules -> rules);
  }

  private static Stream<Rule> reading() {
    return Stream.of(
        dom0("reads a value", (s, at) -> s.read(at.secret() + "/a"), "Optional[1]"),
        dom0("reads a missing node", (s, at) -> s.read(at.secret() + "/x"), "Optional.empty"),
        dom0("reads far below", (s, at) -> s.read(at.secret() + "/x/y/z"), "Optional.empty"),
        dom0("reads an empty value", (s, at) -> s.read(at.secret()), "Optional[]"),
        dom0("asks for a node", (s, at) -> s.exists(at.secret()), "true"),
        dom0("asks for a missing node", (s, at) -> s.exists(at.secret() + "/x"), "false"),
        dom0("lists a node", (s, at) -> s.directory(at.secret()), "[a]"),
        dom0("lists a leaf", (s, at) -> s.directory(at.secret() + "/a"), "[]"),
        dom0("lists a missing node", (s, at) -> s.directory(at.secret() + "/x"), "[]"),
        guest("reads its name", (s, at) -> s.read(at.home() + "/name"), "Optional[guest]"),
        guest("lists its home", (s, at) -> s.directory(at.home()).size(), "4"),
        guest("reads a secret", (s, at) -> s.read(at.secret() + "/a"), "DENIED"),
        guest("lists a secret", (s, at) -> s.directory(at.secret()), "DENIED"),
        guest(
            "reads what is missing at home",
            (s, at) -> s.read(at.home() + "/x/y"),
            "Optional.empty"),
        guest("reads what is missing in secret", (s, at) -> s.read(at.secret() + "/x"), "DENIED"),
        guest("reads where it may write only", (s, at) -> s.read(at.drop()), "DENIED"));
  }

  private static Stream<Rule> writing() {
    return Stream.of(
        dom0(
            "writes a value in UTF-8",
            (s, at) -> {
              s.write(at.secret() + "/u", "grün €");
              return s.read(at.secret() + "/u");
            },
            "Optional[grün €]"),
        dom0(
            "writes below missing parents",
            (s, at) -> {
              s.write(at.secret() + "/x/y/z", "v");
              return s.read(at.secret() + "/x/y") + " " + s.directory(at.secret() + "/x");
            },
            "Optional[] [y]"),
        dom0(
            "writes a value twice",
            (s, at) -> {
              s.write(at.secret() + "/a", "2");
              return s.read(at.secret() + "/a") + " " + s.directory(at.secret());
            },
            "Optional[2] [a]"),
        dom0(
            "makes a node that is there",
            (s, at) -> {
              s.mkdir(at.secret() + "/a");
              return s.read(at.secret() + "/a");
            },
            "Optional[1]"),
        dom0(
            "writes for a guest: the guest owns it",
            (s, at) -> {
              s.write(at.own() + "/x/y", "v");
              return letters(s, at.own() + "/x/y", at);
            },
            "guest:NONE"),
        guest("writes its own", (s, at) -> done(() -> s.write(at.own() + "/x/y", "v")), "done"),
        guest(
            "creates in a shared node: it owns that",
            (s, at) -> {
              s.write(at.shared() + "/x", "v");
              return letters(s, at.shared() + "/x", at);
            },
            "guest:NONE guest:BOTH"),
        guest(
            "writes where it may not read", (s, at) -> done(() -> s.write(at.drop(), "v")), "done"),
        guest(
            "writes its name", (s, at) -> done(() -> s.write(at.home() + "/name", "v")), "DENIED"),
        guest("creates at home", (s, at) -> done(() -> s.write(at.home() + "/x", "v")), "DENIED"),
        guest("makes a node at home", (s, at) -> done(() -> s.mkdir(at.home() + "/x")), "DENIED"),
        guest("writes a secret", (s, at) -> done(() -> s.write(at.secret() + "/a", "v")), "DENIED"),
        guest(
            "writes for dom0", (s, at) -> done(() -> s.write("/local/domain/0/x", "v")), "DENIED"),
        guest("writes the root", (s, at) -> done(() -> s.write("/x", "v")), "DENIED"));
  }

  private static Stream<Rule> removing() {
    return Stream.of(
        dom0(
            "removes a tree",
            (s, at) -> {
              s.write(at.secret() + "/a/b/c", "v");
              return s.remove(at.secret())
                  + " "
                  + s.exists(at.secret() + "/a/b/c")
                  + " "
                  + s.exists(at.secret());
            },
            "true false false"),
        dom0("removes what is missing", (s, at) -> s.remove(at.secret() + "/x"), "false"),
        dom0("removes far below", (s, at) -> s.remove(at.secret() + "/x/y/z"), "false"),
        dom0("removes the root", (s, at) -> s.remove("/"), "INVALID"),
        dom0(
            "removes and makes again: an empty node",
            (s, at) -> {
              s.remove(at.secret());
              s.mkdir(at.secret());
              return s.read(at.secret()) + " " + s.directory(at.secret());
            },
            "Optional[] []"),
        guest("removes its own", (s, at) -> s.remove(at.own()), "true"),
        guest("removes a missing own", (s, at) -> s.remove(at.own() + "/x"), "false"),
        guest("removes a shared node", (s, at) -> s.remove(at.shared()), "true"),
        guest("removes a node it may read", (s, at) -> s.remove(at.home() + "/name"), "DENIED"),
        guest("removes a secret", (s, at) -> s.remove(at.secret()), "DENIED"));
  }

  private static Stream<Rule> permitting() {
    return Stream.of(
        dom0("asks who may", (s, at) -> letters(s, at.drop(), at), "dom0:NONE guest:WRITE"),
        dom0(
            "asks who may with a missing node",
            (s, at) -> s.permissions(at.secret() + "/x"),
            "NOT_FOUND"),
        dom0(
            "permits a missing node",
            (s, at) -> done(() -> s.setPermissions(at.secret() + "/x", List.of(Place.owner(0)))),
            "NOT_FOUND"),
        dom0(
            "permits nobody",
            (s, at) -> done(() -> s.setPermissions(at.secret(), List.of())),
            "INVALID"),
        dom0(
            "gives a node away",
            (s, at) -> {
              s.setPermissions(
                  at.secret(),
                  List.of(at.allow(Access.READ), new XenStorePermission(0, Access.BOTH)));
              return letters(s, at.secret(), at);
            },
            "guest:READ dom0:BOTH"),
        guest(
            "permits its own",
            (s, at) -> {
              s.setPermissions(
                  at.own(), List.of(at.allow(Access.NONE), new XenStorePermission(0, Access.READ)));
              return letters(s, at.own(), at);
            },
            "guest:NONE dom0:READ"),
        guest(
            "gives its own away",
            (s, at) -> done(() -> s.setPermissions(at.own(), List.of(Place.owner(0)))),
            "DENIED"),
        guest(
            "permits a shared node",
            (s, at) -> done(() -> s.setPermissions(at.shared(), List.of(at.allow(Access.BOTH)))),
            "DENIED"),
        guest("asks who may with a secret", (s, at) -> s.permissions(at.secret()), "DENIED"));
  }

  private static Stream<Rule> paths() {
    return Stream.of(
        invalid("relative"),
        invalid(""),
        invalid("/a//b"),
        invalid("/a/"),
        invalid("/a b"),
        invalid("/a.b"),
        invalid("/a:b"),
        invalid("/grün"),
        invalid("@introduceDomain"),
        invalid("/" + "x".repeat(3072)),
        dom0("reads a path of all letters", (s, at) -> s.read("/aZ09-_@"), "Optional.empty"),
        dom0("reads a long path", (s, at) -> s.read("/" + "x".repeat(2047)), "Optional.empty"),
        dom0("reads a longer path", (s, at) -> s.read("/" + "x".repeat(2048)), "INVALID"),
        dom0(
            "reads a long path at a guest's home",
            (s, at) -> s.read(at.home() + "/" + "x".repeat(2048)),
            "Optional.empty"),
        dom0(
            "reads a longer path at a guest's home",
            (s, at) -> s.read(at.home() + "/" + "x".repeat(2049)),
            "INVALID"));
  }

  private static Stream<Rule> quotas() {
    return Stream.of(
        dom0("writes as much as goes", (s, at) -> writeMessageOf(PAYLOAD_BYTES, s, at), "done"),
        dom0("writes more", (s, at) -> writeMessageOf(PAYLOAD_BYTES + 1, s, at), "TOO_LARGE"),
        guest(
            "writes the largest value",
            (s, at) -> done(() -> s.write(at.own() + "/x", "v".repeat(LARGEST_GUEST_VALUE_BYTES))),
            "done"),
        guest(
            "writes a larger value",
            (s, at) ->
                done(() -> s.write(at.own() + "/x", "v".repeat(LARGEST_GUEST_VALUE_BYTES + 1))),
            "QUOTA"),
        guest("permits five", (s, at) -> permit(5, s, at), "done"),
        guest("permits six", (s, at) -> permit(6, s, at), "QUOTA"));
  }

  private static Object writeMessageOf(int bytes, XenStore store, Place at) {
    String path = at.secret() + "/x";
    return done(() -> store.write(path, "v".repeat(bytes - path.length() - 1)));
  }

  private static Object permit(int entries, XenStore store, Place at) {
    return done(
        () -> store.setPermissions(at.own(), Collections.nCopies(entries, at.allow(Access.READ))));
  }
}
