package io.netchannel.vdevice.block;

import io.netchannel.vdevice.BackRing;
import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.DeviceProtocol;
import io.netchannel.vdevice.GuestLog;
import io.netchannel.vdevice.GuestMemory;
import io.netchannel.vdevice.HandshakeException;
import io.netchannel.vdevice.MappedQueue;
import io.netchannel.vdevice.RequestRing;
import io.netchannel.vdevice.XenbusBackend;
import io.netchannel.xen.EventChannels;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.XenStoreOperations;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;
import org.slf4j.LoggerFactory;

/** The blkif backend an unmodified blkfront talks to. */
public final class Vbd implements VirtualDisk {
  private final DeviceAddress address;
  private final VbdLimits limits;
  private final GuestMemory guest;
  private final GuestLog log;
  private final XenbusBackend<BlockRequest, ConnectionParameters> backend;

  private Optional<BlockGeometry> geometry;

  /**
   * Watches the frontend of nodes that have been published ({@link VbdNodes}); nothing is written
   * before {@link #offer}. The state is PREPARED; or CONNECTED, when a process before this one has
   * connected and the frontend still uses the same rings: {@link #reattach} maps them.
   *
   * @param guestName for log lines
   * @param wake runs on any thread when there may be something to poll
   */
  public Vbd(
      DeviceAddress address,
      String guestName,
      XenStore store,
      GrantTable grants,
      EventChannels events,
      VbdLimits limits,
      Runnable wake) {
    this.address = address;
    this.limits = limits;
    guest = new GuestMemory(address.domid(), grants, VbdLimits.HIGHEST_INDIRECT_SEGMENTS);
    log = GuestLog.of(LoggerFactory.getLogger(Vbd.class), guestName, address);
    geometry = VbdFeatures.readGeometry(store, address.backendPath());
    backend = new XenbusBackend<>(address, new Blkif(), store, grants, events, wake, log);
  }

  @Override
  public State state() {
    return backend.state();
  }

  @Override
  public Optional<BlockGeometry> offered() {
    return geometry;
  }

  @Override
  public void offer(BlockGeometry offered) {
    backend.offer(nodes -> VbdFeatures.write(nodes, address.backendPath(), offered));
    geometry = Optional.of(offered);
  }

  @Override
  public int poll(Handler<BlockRequest> handler, int maxRequests) {
    return backend.poll(handler, maxRequests);
  }

  @Override
  public void publishResponses() {
    backend.publishResponses();
  }

  @Override
  public int untaken() {
    return backend.untaken();
  }

  @Override
  public List<BlockRequest> reattach(List<ByteBuffer> taken, int[] requestConsumers) {
    return backend.reattach(taken, requestConsumers);
  }

  @Override
  public int requestConsumer(int queue) {
    return backend.requestConsumer(queue);
  }

  @Override
  public int queues() {
    return backend.queues();
  }

  @Override
  public void close(boolean removeNodes) {
    backend.close(removeNodes);
  }

  /** io/blkif.h. */
  private final class Blkif implements DeviceProtocol<BlockRequest, ConnectionParameters> {
    @Override
    public boolean wasOffered() {
      return geometry.isPresent();
    }

    @Override
    public boolean skipsInitialised() {
      return false;
    }

    @Override
    public ConnectionParameters readFrontend(XenStoreOperations store, String frontend)
        throws HandshakeException {
      return ConnectionParameters.read(store, frontend, limits);
    }

    @Override
    public RequestRing<RingRequest> makeRing(
        ConnectionParameters parameters, MappedQueue queue, BackRing ring) {
      return new RequestRing<>(
          queue,
          ring,
          new BlockFormat(parameters.layout(), geometry.orElseThrow(), limits, guest, log));
    }
  }
}
