package io.netchannel.device.mirror;

import static com.google.common.base.Preconditions.checkArgument;

import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.mirror.MirroredRequest.Route;
import java.nio.ByteBuffer;

/** The two devices: what they are as one, and how a request gets to them. Without the lock. */
final class Legs {
  final Device leader;
  final Device follower;

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
   * Gives a placed request to its legs. It is not touched after the last of them has it: it may be
   * another one by then.
   */
  void send(MirroredRequest request) {
    Route route = request.route;
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
}
