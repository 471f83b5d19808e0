package io.netchannel.device.legs;

import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import java.util.concurrent.CompletableFuture;

/**
 * A person's word that one leg of a disk goes for good, under its guest or without.
 *
 * <pre>
 *   ASKED --the other one is recorded alone, nothing is at this one--> ALONE
 *     |       ALONE --the guest's requests go to the other leg itself--> OVER
 *     |               OVER --no XML names both--> the other leg may be a disk by itself
 *     +--the other one fails first, or the disk ends--> refused: two legs as before
 * </pre>
 *
 * The other leg keeps its record until no XML names both: a start by an old one finds which leg is
 * the disk. The one that goes keeps what it knows: it never starts the guest.
 */
final class LegDrop {
  static final String WHY = "a person drops it";

  private final Leg goes;
  private final Leg stays;
  private final CompletableFuture<Mirrors.Remaining> alone = new CompletableFuture<>();

  LegDrop(Leg goes, Leg stays) {
    this.goes = goes;
    this.stays = stays;
  }

  Leg goes() {
    return goes;
  }

  Leg stays() {
    return stays;
  }

  CompletableFuture<Mirrors.Remaining> alone() {
    return alone;
  }

  void refuse(String why) {
    alone.completeExceptionally(new DeviceException(why));
  }

  /** What the guest uses from now on. */
  void isAlone(Device device, Runnable whenUnused, Runnable whenNamed) {
    alone.complete(
        new Mirrors.Remaining() {
          @Override
          public String source() {
            return stays.source();
          }

          @Override
          public String dropped() {
            return goes.source();
          }

          @Override
          public Device device() {
            return device;
          }

          @Override
          public void unused() {
            whenUnused.run();
          }

          @Override
          public void named() {
            whenNamed.run();
          }
        });
  }
}
