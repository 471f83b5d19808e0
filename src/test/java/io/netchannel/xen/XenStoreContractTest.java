package io.netchannel.xen;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.xen.XenStore.Watch;
import io.netchannel.xen.XenStoreException.Reason;
import io.netchannel.xen.XenStoreRules.Place;
import io.netchannel.xen.XenStoreRules.Rule;
import io.netchannel.xen.XenStoreRules.Who;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;

/** What a xenstore does, asked of the embedded one and of the real xenstored alike. */
@TestInstance(Lifecycle.PER_CLASS)
public abstract class XenStoreContractTest {
  /** The quotas of xenstored 4.17 as they are seen from outside. */
  private static final int NODES = 1000;

  private static final int WATCHES = 129;

  private StoreHost host;
  private XenStore dom0;
  private XenStore other;
  private Place place;

  /** Starts a host with an empty store. */
  protected abstract StoreHost startHost();

  @BeforeAll
  void start() {
    host = startHost();
    dom0 = host.connect(0);
    other = host.connect(0);
  }

  @AfterAll
  void stop() {
    if (host != null) {
      host.close();
    }
  }

  @BeforeEach
  void newPlace() {
    place = newDomain();
  }

  private Place newDomain() {
    Place fresh = new Place(host.createDomain());
    fresh.prepare(dom0);
    host.introduce(fresh.domid());
    return fresh;
  }

  @TestFactory
  Stream<DynamicTest> rules() {
    return XenStoreRules.all()
        .map(
            rule ->
                DynamicTest.dynamicTest(
                    rule.who() + " " + rule.what(), () -> check(rule, newDomain())));
  }

  private void check(Rule rule, Place at) {
    XenStore store = rule.who() == Who.DOM0 ? dom0 : host.connect(at.domid());
    assertThat(outcome(() -> rule.operation().apply(store, at))).isEqualTo(rule.expected());
  }

  private static String outcome(Supplier<Object> operation) {
    try {
      return operation.get().toString();
    } catch (XenStoreException e) {
      assertThat(e).hasMessageMatching("(?s).{10,}");
      return e.reason().name();
    }
  }

  // ---- quotas that need many operations

  @Test
  void aGuestMayHaveAThousandNodes() {
    XenStore guest = host.connect(place.domid());
    int nodes = 1; // the one domain 0 gave it
    String path = "";
    try {
      while (nodes <= 2 * NODES) {
        // In groups: the names of a node's children count for its size.
        int group = (nodes - 1) / 100 * 100 + 1;
        path = place.own() + "/" + group + (nodes == group ? "" : "/" + nodes);
        guest.mkdir(path);
        nodes++;
      }
    } catch (XenStoreException e) {
      assertThat(e.reason()).isEqualTo(Reason.QUOTA);
    }
    assertThat(nodes).isEqualTo(NODES);
    guest.remove(place.own() + "/1/2");
    guest.mkdir(path);
  }

  @Test
  void aGuestMayHaveManyWatches() {
    XenStore guest = host.connect(place.domid());
    int watches = 0;
    try {
      while (watches <= 2 * WATCHES) {
        guest.watch(place.own() + "/" + watches, path -> {});
        watches++;
      }
    } catch (XenStoreException e) {
      assertThat(e.reason()).isEqualTo(Reason.QUOTA);
    }
    assertThat(watches).isEqualTo(WATCHES);
  }

  // ---- transactions

  @Test
  void aTransactionIsSeenAsAWhole() {
    String path = place.secret() + "/t";
    dom0.transaction(
        t -> {
          t.write(path + "/x", "1");
          t.write(path + "/y", "2");
          t.remove(place.secret() + "/a");
          assertThat(t.read(path + "/x")).contains("1");
          assertThat(t.directory(path)).containsExactlyInAnyOrder("x", "y");
          assertThat(other.exists(path)).isFalse();
          assertThat(other.exists(place.secret() + "/a")).isTrue();
          return null;
        });
    assertThat(other.read(path + "/y")).contains("2");
    assertThat(other.directory(place.secret())).containsExactly("t");
  }

  @Test
  void aBodyThatThrowsLeavesNothing() {
    assertThatThrownBy(
            () ->
                dom0.transaction(
                    t -> {
                      t.write(place.secret() + "/t", "1");
                      throw new IllegalStateException("on purpose");
                    }))
        .hasMessage("on purpose");
    assertThat(other.exists(place.secret() + "/t")).isFalse();
  }

  @Test
  void aTransactionRunsAgainWhenWhatItReadHasChanged() {
    String path = place.secret() + "/a";
    AtomicInteger runs = new AtomicInteger();
    String seen =
        dom0.transaction(
            t -> {
              String value = t.read(path).orElseThrow();
              if (runs.incrementAndGet() == 1) {
                other.write(path, "other");
                assertThat(t.read(path)).as("a transaction keeps what it saw").contains(value);
              }
              t.write(place.secret() + "/copy", value);
              return value;
            });
    assertThat(runs).hasValue(2);
    assertThat(seen).isEqualTo("other");
    assertThat(dom0.read(place.secret() + "/copy")).contains("other");
  }

  @Test
  void aTransactionRunsAgainWhenWhatItMissedIsThere() {
    String path = place.secret() + "/new";
    AtomicInteger runs = new AtomicInteger();
    dom0.transaction(
        t -> {
          boolean there = t.exists(path);
          if (runs.incrementAndGet() == 1) {
            other.write(path, "");
          }
          t.write(place.secret() + "/saw", Boolean.toString(there));
          return null;
        });
    assertThat(runs).hasValue(2);
    assertThat(dom0.read(place.secret() + "/saw")).contains("true");
  }

  @Test
  void aTransactionRunsAgainWhenAListOfChildrenHasChanged() {
    AtomicInteger runs = new AtomicInteger();
    int children =
        dom0.transaction(
            t -> {
              int count = t.directory(place.secret()).size();
              if (runs.incrementAndGet() == 1) {
                other.mkdir(place.secret() + "/b");
              }
              t.write(place.home() + "/count", "");
              return count;
            });
    assertThat(runs).hasValue(2);
    assertThat(children).isEqualTo(2);
  }

  @Test
  void othersChangesElsewhereDoNotDisturb() {
    AtomicInteger runs = new AtomicInteger();
    dom0.transaction(
        t -> {
          runs.incrementAndGet();
          t.read(place.home());
          other.write(place.secret() + "/a", "2");
          t.write(place.home() + "/x", "");
          return null;
        });
    assertThat(runs).hasValue(1);
  }

  @Test
  void aFightEndsAsAConflict() {
    AtomicInteger runs = new AtomicInteger();
    String path = place.secret() + "/a";
    assertThatThrownBy(
            () ->
                dom0.transaction(
                    t -> {
                      t.read(path);
                      other.write(path, "run " + runs.incrementAndGet());
                      t.write(path, "mine");
                      return null;
                    }))
        .isInstanceOfSatisfying(
            XenStoreException.class, e -> assertThat(e.reason()).isEqualTo(Reason.CONFLICT));
    assertThat(runs.get()).isBetween(2, 1000);
    assertThat(dom0.read(path)).contains("run " + runs);
  }

  @Test
  void aTransactionThatHasEndedIsOver() {
    XenStoreOperations escaped = dom0.transaction(t -> t);
    assertThatThrownBy(() -> escaped.read("/")).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void aGuestHasTransactionsToo() {
    XenStore guest = host.connect(place.domid());
    AtomicInteger runs = new AtomicInteger();
    guest.transaction(
        t -> {
          String value = t.read(place.own()).orElseThrow();
          if (runs.incrementAndGet() == 1) {
            dom0.write(place.own(), "other");
          }
          t.write(place.own() + "/x", value);
          return null;
        });
    assertThat(dom0.read(place.own() + "/x")).contains("other");
    assertThat(outcome(() -> guest.transaction(t -> t.read(place.secret())))).isEqualTo("DENIED");
  }

  // ---- watches

  private List<String> watched(XenStore store, String path) {
    List<String> events = new CopyOnWriteArrayList<>();
    store.watch(path, events::add);
    Waiting.until("the first event of a watch of " + path, () -> events.size() == 1);
    assertThat(events).containsExactly(path);
    events.clear();
    return events;
  }

  /**
   * Makes a last change, at a path that nothing else has changed, and waits until {@code events}
   * ends with it: whatever was to come before has come.
   */
  private void settle(List<String> events, String path) {
    dom0.write(path, "last");
    Waiting.until(
        "an event for " + path + " after " + events,
        () -> !events.isEmpty() && events.get(events.size() - 1).equals(path));
    events.remove(events.size() - 1);
  }

  @Test
  void aWatchTellsOfAllChangesBelowInOrder() {
    List<String> events = watched(dom0, place.secret());
    other.write(place.secret() + "/b/c", "1");
    other.write(place.secret() + "/b/c", "1");
    other.mkdir(place.secret() + "/d");
    other.mkdir(place.secret() + "/d");
    other.setPermissions(place.secret() + "/d", List.of(Place.owner(0)));
    other.remove(place.secret() + "/b");
    other.write(place.secret() + "x", "a neighbour");
    other.write(place.secret(), "");
    settle(events, place.secret() + "/last");
    assertThat(events)
        .containsExactly(
            place.secret() + "/b/c",
            place.secret() + "/b/c",
            place.secret() + "/d",
            place.secret() + "/d",
            place.secret() + "/b",
            place.secret());
  }

  @Test
  void aWatchTellsThatAnAncestorWasRemoved() {
    String deep = place.secret() + "/b/c/d";
    other.write(deep, "1");
    List<String> events = watched(dom0, deep);
    other.remove(place.secret());
    settle(events, deep + "/last");
    assertThat(events).containsExactly(deep);
  }

  @Test
  void aWatchWaitsForANodeThatIsMissing() {
    String path = place.secret() + "/later/x";
    List<String> events = watched(dom0, path);
    other.write(place.secret() + "/later", "");
    other.remove(place.secret() + "/missing");
    settle(events, path + "/last");
    assertThat(events).isEmpty();
  }

  @Test
  void aWatchTellsOfATransactionWhenItIsCommitted() {
    List<String> events = watched(dom0, place.secret());
    other.transaction(
        t -> {
          t.write(place.secret() + "/x", "1");
          dom0.write(place.secret() + "/early", "");
          return null;
        });
    settle(events, place.secret() + "/last");
    // The transaction read the list of children that "early" changed: it ran more than once.
    assertThat(events).first().isEqualTo(place.secret() + "/early");
  }

  @Test
  void aListenerMayUseTheStoreAndEndItsWatch() {
    List<String> values = new CopyOnWriteArrayList<>();
    Watch[] watch = new Watch[1];
    String path = place.secret() + "/a";
    watch[0] =
        dom0.watch(
            path,
            changed -> {
              String value = dom0.read(changed).orElseThrow();
              if (value.equals("2")) {
                watch[0].close();
              }
              values.add(value);
            });
    Waiting.until("the first event", () -> values.contains("1"));
    other.write(path, "2");
    Waiting.until("the second event", () -> values.contains("2"));
    other.write(path, "3");
    List<String> events = watched(dom0, place.secret());
    settle(events, place.secret() + "/last");
    assertThat(values).containsExactly("1", "2");
    watch[0].close();
  }

  @Test
  void aListenerThatThrowsIsNotTheLastOneToBeCalled() {
    AtomicInteger calls = new AtomicInteger();
    Watch watch =
        dom0.watch(
            place.secret(),
            path -> {
              calls.incrementAndGet();
              throw new StackOverflowError("of a test");
            });
    Waiting.until("the first event", () -> calls.get() == 1);
    List<String> events = watched(dom0, place.secret());
    settle(events, place.secret() + "/last");
    Waiting.until("the next event", () -> calls.get() == 2);
    watch.close();
  }

  @Test
  void twoWatchesOfOnePathEndByThemselves() {
    List<String> events = watched(dom0, place.secret());
    Watch second = dom0.watch(place.secret(), path -> {});
    second.close();
    second.close();
    settle(events, place.secret() + "/last");
  }

  @Test
  void aGuestIsToldOnlyOfWhatItMayRead() {
    XenStore guest = host.connect(place.domid());
    List<String> secrets = watched(guest, place.secret());
    List<String> home = watched(guest, place.home());
    dom0.write(place.secret() + "/a", "2");
    dom0.write(place.own() + "/x", "");
    settle(home, place.own() + "/last");
    assertThat(home).containsExactly(place.own() + "/x");
    assertThat(secrets).isEmpty();
  }

  @Test
  void aWatchNeedsAValidPath() {
    for (String path : List.of("relative", "/a//b", "/a/", "")) {
      assertThat(outcome(() -> dom0.watch(path, changed -> {}))).as(path).isEqualTo("INVALID");
    }
  }

  // ---- domains that come and go

  @Test
  void domainsThatComeAndGoAreTold() {
    List<String> introduced = watched(dom0, "@introduceDomain");
    List<String> released = watched(dom0, "@releaseDomain");
    Place next = newDomain();
    Waiting.until("@introduceDomain", () -> introduced.equals(List.of("@introduceDomain")));
    assertThat(released).isEmpty();
    host.destroyDomain(next.domid());
    Waiting.until("@releaseDomain", () -> released.equals(List.of("@releaseDomain")));
  }

  @Test
  void theNodesOfADomainThatWentAreGone() {
    XenStore guest = host.connect(place.domid());
    guest.write(place.own() + "/x", "");
    guest.write(place.shared() + "/x", "");
    List<String> events = watched(dom0, place.own());
    host.destroyDomain(place.domid());
    Waiting.until("an event for its node", () -> events.contains(place.own()));
    assertThat(dom0.directory(place.home())).containsExactlyInAnyOrder("name", "shared", "drop");
    assertThat(dom0.directory(place.shared())).isEmpty();
  }

  @Test
  void aClosedConnectionSaysSo() {
    XenStore connection = host.connect(0);
    List<String> events = watched(connection, place.secret());
    connection.close();
    connection.close();
    assertThat(outcome(() -> connection.read("/"))).isEqualTo("IO");
    assertThat(outcome(() -> connection.watch("/", path -> {}))).isEqualTo("IO");
    List<String> others = watched(dom0, place.secret());
    settle(others, place.secret() + "/last");
    assertThat(events).isEmpty();
  }
}
