package io.netchannel.daemon;

import io.netchannel.xen.XenStoreOperations;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/** A domain as xenstore shows it. */
record Guest(String name, UUID uuid, int domid) {
  static final String DOMAINS = "/local/domain";

  /** The running domain with this id; empty when there is none, or libxl has not yet named it. */
  static Optional<Guest> byId(XenStoreOperations store, int domid) {
    Optional<String> name = store.read(path(domid) + "/name");
    Optional<UUID> uuid = store.read(path(domid) + "/vm").flatMap(Guest::uuid);
    return name.isPresent() && uuid.isPresent()
        ? Optional.of(new Guest(name.get(), uuid.get(), domid))
        : Optional.empty();
  }

  /** All domains but our own. */
  static List<Guest> all(XenStoreOperations store) {
    return store.directory(DOMAINS).stream()
        .map(Guest::domid)
        .flatMap(Optional::stream)
        .filter(domid -> domid != 0)
        .map(domid -> byId(store, domid))
        .flatMap(Optional::stream)
        .toList();
  }

  /** The domain with this UUID; the youngest one where an earlier life of it is still going. */
  static Optional<Guest> byUuid(XenStoreOperations store, UUID uuid) {
    return all(store).stream()
        .filter(guest -> guest.uuid.equals(uuid))
        .max(Comparator.comparingInt(Guest::domid));
  }

  /** A domain by what people type: its name, its id or its UUID. */
  static Optional<Guest> find(XenStoreOperations store, String which) {
    return all(store).stream()
        .filter(
            guest ->
                guest.name.equals(which)
                    || String.valueOf(guest.domid).equals(which)
                    || guest.uuid.toString().equalsIgnoreCase(which))
        .findFirst();
  }

  static String path(int domid) {
    return DOMAINS + "/" + domid;
  }

  static Optional<Integer> domid(String text) {
    return text.matches("\\d{1,5}") ? Optional.of(Integer.valueOf(text)) : Optional.empty();
  }

  /** The "vm" node is "/vm/" and the UUID (libxl: a restarted domain's may end in "-1"). */
  private static Optional<UUID> uuid(String vm) {
    int uuidChars = 36;
    String text = vm.substring(vm.lastIndexOf('/') + 1);
    try {
      return text.length() < uuidChars
          ? Optional.empty()
          : Optional.of(UUID.fromString(text.substring(0, uuidChars)));
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  @Override
  public String toString() {
    return name + " (domid " + domid + ")";
  }
}
