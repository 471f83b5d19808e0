package io.netchannel.device.mirror;

import static com.google.common.base.Preconditions.checkArgument;

import io.netchannel.device.BlockBuffers;
import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.mirror.MirroredRequest.Route;
import java.nio.ByteBuffer;
import java.util.Optional;

/**
 * The two devices: what they are as one, and how a request gets to them. Without the lock, but for
 * who has which role.
 */
final class Legs {
  /** Changed under the mirror's lock, as below. */
  volatile Device leader;

  volatile Device follower;

  /** Of a lasting mirror: a leg had to write zeros for a discard, so no other one is tried. */
  volatile boolean discardFails;

  /** The one that is read from while both are up to date; null for the leader. */
  private Device near;

  /** The leader's, less what only one leg can. */
  final DeviceGeometry geometry;

  /**
   * Legs of one mirror.
   *
   * @throws IllegalArgumentException when the follower cannot take the leader's place
   */
  Legs(Device leader, Device follower) {
    DeviceGeometry from = leader.geometry();
    DeviceGeometry to = follower.geometry();
    checkArgument(
        to.sizeBytes() >= from.sizeBytes(),
        "expected a target of at least %s bytes, found %s",
        from.sizeBytes(),
        to.sizeBytes());
    checkArgument(
        to.logicalBlockBytes() <= from.logicalBlockBytes(),
        "expected a target with blocks of at most %s bytes, found %s",
        from.logicalBlockBytes(),
        to.logicalBlockBytes());
    checkArgument(!to.readOnly(), "expected a target that can be written, found a read-only one");
    this.leader = leader;
    this.follower = follower;
    boolean discards = from.canDiscard() && from.canZero() && to.canZero();
    geometry =
        new DeviceGeometry(
            from.sizeBytes(),
            from.logicalBlockBytes(),
            from.physicalBlockBytes(),
            from.readOnly(),
            from.canFlush(),
            discards,
            discards ? from.discardGranularityBytes() : 0,
            false);
  }

  /**
   * Legs of one mirror that stays: each may become the leader.
   *
   * @param near the one that is read from while both are up to date
   * @throws IllegalArgumentException when they are not alike
   */
  static Legs alike(Device leader, Device follower, Optional<Device> near) {
    DeviceGeometry a = leader.geometry();
    DeviceGeometry b = follower.geometry();
    checkArgument(
        a.sizeBytes() == b.sizeBytes()
            && a.logicalBlockBytes() == b.logicalBlockBytes()
            && a.canFlush() == b.canFlush(),
        "expected two legs of one size, with the same blocks, and both with a cache or none; found"
            + " %s and %s",
        a,
        b);
    checkArgument(!a.readOnly(), "expected legs that can be written, found a read-only one");
    Legs legs = new Legs(leader, follower);
    legs.near = near.orElse(null);
    return legs;
  }

  /** Whether it is the follower that is read from while both are up to date. */
  boolean readsFollower() {
    return near == follower;
  }

  /** They change their roles; under the lock, with no copy under way. */
  void exchange() {
    Device before = leader;
    leader = follower;
    follower = before;
  }

  /** A request is about to be placed, or placed anew. */
  void place(MirroredRequest request, Route route) {
    request.route = route;
    request.sentTo = route;
    request.leader = leader;
    request.follower = follower;
    request.exchanged = false;
    request.atLeader = route != Route.FOLLOWER;
    request.atFollower = route != Route.LEADER;
  }

  /**
   * Gives a placed request to its legs. It is not touched after the last of them has it: it may be
   * another one by then.
   */
  static void send(MirroredRequest request) {
    Route route = request.sentTo;
    Device leader = request.leader;
    Device follower = request.follower;
    boolean both = route == Route.BOTH;
    if (route != Route.LEADER) {
      Completion done = request.followerDone;
      switch (request.kind) {
        case READ -> follower.read(request.offsetBytes, request.data, done);
        case WRITE -> {
          ByteBuffer data = request.data;
          if (request.copy != null) {
            data = request.copy.buffer();
            data.put(0, request.data, request.data.position(), request.data.remaining());
          }
          follower.write(request.offsetBytes, data, done);
        }
        case DISCARD -> discard(follower, request, both, done);
        case FLUSH -> follower.flush(done);
      }
    }
    if (route != Route.FOLLOWER) {
      Completion done = request.leaderDone;
      switch (request.kind) {
        case READ -> leader.read(request.offsetBytes, request.data, done);
        case WRITE -> leader.write(request.offsetBytes, request.data, done);
        case DISCARD -> discard(leader, request, both, done);
        case FLUSH -> leader.flush(done);
      }
    }
  }

  private static void discard(
      Device device, MirroredRequest request, boolean both, Completion done) {
    if (both) {
      device.zero(request.offsetBytes, request.lengthBytes, true, done);
    } else {
      device.discard(request.offsetBytes, request.lengthBytes, done);
    }
  }

  /** Zeros as data, for a leg that cannot make them; all of them are at this leg until then. */
  static void writeZeros(Device leg, long offsetBytes, long lengthBytes, Completion done) {
    new Parts(
            (kind, offset, length, none, ended) ->
                leg.write(offset, Zeros.DATA.slice(0, (int) length), ended),
            MirroredRequest.Kind.WRITE,
            offsetBytes,
            lengthBytes,
            Zeros.DATA.capacity(),
            null,
            done)
        .begin();
  }

  /** Of all mirrors, made when it is first needed. */
  private static final class Zeros {
    /** Nobody changes it: a device only reads what it is to write. */
    static final ByteBuffer DATA = BlockBuffers.allocate(1 << 20);
  }
}
