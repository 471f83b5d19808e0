package io.netchannel.coordinator;

import com.google.common.collect.ImmutableList;
import io.netchannel.coordinator.Migration.MovedDevice;
import io.netchannel.coordinator.PeerMessages.Claim;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * Which disks of a guest that leaves go with it, decided at the source in the moment in which it
 * gives them away: its disks are sealed, so what is alike then stays so.
 *
 * <pre>
 *   a disk that came to PREPARE with a job, also one that the destination only goes on with
 *     given up since ----------------------------------------------> refused: the guest goes on here
 *   of the others those whose job goes to the destination
 *     alike, and the destination can take over with the copy -----> the copy is the disk
 *     not, and the destination reaches it where it is ------------> it stays there, the job goes on
 *                                                                   at the destination
 *     not, and the destination does not --------------------------> refused: the guest goes on here
 * </pre>
 */
final class GoingCopies {
  private final Context context;

  GoingCopies(Context context) {
    this.context = context;
  }

  /**
   * A sealed migration with the copies that are the disks from its TAKE_OVER on.
   *
   * @throws MigrationRefusedException when a disk could be had nowhere
   * @throws JobRefusedException when a job was given up on the way
   */
  Migration chosen(Migration sealed, List<Claim> claims)
      throws MigrationRefusedException, JobRefusedException {
    Map<String, Claim> byTarget =
        claims.stream().collect(Collectors.toMap(Claim::target, Function.identity()));
    context.jobs().checkCarried(sealed);
    ImmutableList.Builder<MovedDevice> disks = ImmutableList.builder();
    List<String> stay = new ArrayList<>();
    for (MovedDevice moved : sealed.devices()) {
      disks.add(chosen(sealed, moved, byTarget.get(moved.target()), stay));
    }
    stay.forEach(why -> context.store().note(sealed.id(), why));
    return sealed.withDevices(disks.build());
  }

  /**
   * One disk, which the destination has looked at in PREPARE, where it is and at its copy.
   *
   * @param stay gets the words for one that has a copy and stays where it is
   */
  private MovedDevice chosen(Migration sealed, MovedDevice moved, Claim claim, List<String> stay)
      throws MigrationRefusedException {
    String expected = claim.copy();
    String going =
        context.jobs().going(moved.key(), sealed.peer()).map(DiskJob::newSource).orElse("");
    if (going.isEmpty() && expected.isEmpty() && !claim.onlyCopy()) {
      return moved;
    }
    if (going.isEmpty()) {
      throw new MigrationRefusedException(
          DiskJobStore.givenUpOnTheWay(moved.target(), expected.isEmpty() ? "its copy" : expected));
    }
    LocalDevices.Copy copy = context.devices().copyOf(sealed.domain(), moved.target());
    String why = copy.why();
    if (!expected.equals(going)) {
      why = "%s cannot take over with %s".formatted(sealed.peer(), going);
    }
    if (why.isEmpty()) {
      return moved.as(going);
    }
    if (!copy.canStay() || claim.onlyCopy()) {
      String who =
          copy.canStay()
              ? sealed.peer() + " does not reach"
              : "nobody but %s reaches".formatted(context.host());
      throw new MigrationRefusedException(
          "%s cannot go along, and %s %s: %s"
              .formatted(moved.target(), who, moved.device().source(), why));
    }
    stay.add("%s stays at %s: %s".formatted(moved.target(), moved.device().source(), why));
    return moved;
  }
}
