package io.netchannel.daemon;

import com.google.common.collect.ImmutableList;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.Stream;

/** The devices of all kinds that guests of this host have. */
final class GuestDevices {
  private final ImmutableList<ServedDevices<?, ?, ?>> kinds;

  GuestDevices(ServedDevices<?, ?, ?>... kinds) {
    this.kinds = ImmutableList.copyOf(kinds);
  }

  /** Those of each kind by domain and name. */
  List<ServedDevice<?, ?, ?>> all() {
    return kinds.stream().<ServedDevice<?, ?, ?>>flatMap(kind -> kind.all().stream()).toList();
  }

  /** Who a domid with devices of ours is, or was. */
  Optional<Guest> guestOf(int domid) {
    return guests().filter(guest -> guest.domid() == domid).findAny();
  }

  /** Domids with devices of ours. */
  List<Integer> domids() {
    return guests().map(Guest::domid).distinct().toList();
  }

  /** Those that this domain has, or had. */
  List<Integer> domidsOf(UUID domain) {
    return guests()
        .filter(guest -> guest.uuid().equals(domain))
        .map(Guest::domid)
        .distinct()
        .toList();
  }

  private Stream<Guest> guests() {
    return all().stream().map(ServedDevice::guest);
  }

  /**
   * Ends all devices of a domain that has gone and removes their nodes: side by side, and not
   * waited for beyond a bound. Idempotent.
   */
  void endDomain(int domid) {
    List<ServedDevice<?, ?, ?>> ending = new ArrayList<>();
    kinds.forEach(kind -> ending.addAll(kind.beginEnds(domid)));
    ServedDevices.awaitEnds(ending, ServedDevice.END_BOUND);
  }

  /** Whether a guest waits for a device here. */
  boolean guestWaits() {
    return kinds.stream().anyMatch(ServedDevices::guestWaits);
  }
}
