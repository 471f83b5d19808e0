package io.netchannel.device.mirror;

import java.util.Optional;
import java.util.UUID;

/**
 * What a guest's changes mean for the map. Guarded by the mirror's lock.
 *
 * <p>A region has its bit because it has to be copied, or because something is late there: the
 * follower has it, and the guest was answered without it. Only the bit of the second kind goes when
 * that has ended.
 */
final class Differences {
  private final DifferenceMap map;
  private final ActiveRanges active;
  private final Copier copier;
  private final Verification verification;

  Differences(DifferenceMap map, ActiveRanges active, Copier copier, Verification verification) {
    this.map = map;
    this.active = active;
    this.copier = copier;
    this.verification = verification;
  }

  boolean isEmpty() {
    return map.count() == 0;
  }

  /** In whole regions. */
  long leftBytes() {
    return Math.min(map.count() * DifferenceMap.REGION_BYTES, map.sizeBytes());
  }

  /** The regions are copied after this, whatever else becomes of them. */
  void need(MirroredRequest request) {
    long first = DifferenceMap.firstRegion(request.offsetBytes);
    long last = DifferenceMap.lastRegion(request.offsetBytes, request.lengthBytes);
    map.set(request.offsetBytes, request.lengthBytes);
    active.need(first, last);
    copier.changing(first, last);
    verification.again(request.offsetBytes, request.lengthBytes);
  }

  /** It is known otherwise that the legs are alike. */
  void none() {
    map.clearAll();
  }

  /** All of the device is copied after this. */
  void needAll() {
    map.setAll();
    verification.again(0, map.sizeBytes());
  }

  /** A leg is open again; as {@link DifferenceMap#legIs}. */
  void legIs(int leg, Optional<UUID> storage) {
    if (!map.isOf(leg, storage)) {
      needAll();
      map.legIs(leg, storage);
    }
  }

  /** The guest relies on a change, in a moment, that the follower may not have. */
  void late(MirroredRequest request) {
    map.set(request.offsetBytes, request.lengthBytes);
    request.late = true;
  }

  /** The follower has something late after all. */
  void lateEnded(MirroredRequest request) {
    if (!request.late || request.needed) {
      return;
    }
    long last = DifferenceMap.lastRegion(request.offsetBytes, request.lengthBytes);
    for (long region = DifferenceMap.firstRegion(request.offsetBytes); region <= last; region++) {
      if (!active.isLate(region)) {
        map.clear(region);
      }
    }
  }

  /** Whether some of these regions will be copied anyhow. */
  boolean needsCopy(long first, long last) {
    long region = map.nextSet(first, last + 1);
    while (region <= last && active.isOnlyLate(region)) {
      region = map.nextSet(region + 1, last + 1);
    }
    return region <= last;
  }
}
