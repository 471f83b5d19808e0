package io.netchannel.device.mirror;

import io.netchannel.device.Completion;
import io.netchannel.device.Custody;
import io.netchannel.device.Device;
import io.netchannel.device.ForwardingDevice;
import io.netchannel.device.Outcome;
import io.netchannel.device.RequestName;
import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * A leader whose follower is not open yet: what changes is noted in the map before the leader has
 * it. So the map that a process before has left stays true, and the mirror that takes this one's
 * place copies only that.
 *
 * <pre>
 *   TRACKING --a mirror over leader and map is put in its place, all before has ended--> of no use any more
 * </pre>
 */
public final class TrackedDevice extends ForwardingDevice {
  private final DifferenceMap map;

  /**
   * In front of {@code leader}, which is closed with it.
   *
   * @param map of the leader's size
   */
  public TrackedDevice(Device leader, DifferenceMap map) {
    super(leader);
    this.map = map;
  }

  /** For the mirror. */
  public Device leader() {
    return device;
  }

  /** Likewise; this one does not touch it once nobody uses it. */
  public DifferenceMap map() {
    return map;
  }

  @Override
  public void write(long offsetBytes, ByteBuffer data, Completion completion) {
    note(offsetBytes, data.remaining());
    device.write(offsetBytes, data, completion);
  }

  @Override
  public void discard(long offsetBytes, long lengthBytes, Completion completion) {
    note(offsetBytes, lengthBytes);
    device.discard(offsetBytes, lengthBytes, completion);
  }

  @Override
  public void zero(
      long offsetBytes, long lengthBytes, boolean mayDeallocate, Completion completion) {
    note(offsetBytes, lengthBytes);
    device.zero(offsetBytes, lengthBytes, mayDeallocate, completion);
  }

  private void note(long offsetBytes, long lengthBytes) {
    if (lengthBytes > 0) {
      synchronized (map) { // of a user with several threads
        map.set(offsetBytes, lengthBytes);
      }
    }
  }

  /** The requests are the user's own ones. */
  @Override
  public Optional<CompletableFuture<Custody>> custody() {
    return device.custody();
  }

  @Override
  public Optional<Outcome> inherited(RequestName write) {
    return device.inherited(write);
  }

  @Override
  public void relinquish() {
    device.relinquish();
  }
}
