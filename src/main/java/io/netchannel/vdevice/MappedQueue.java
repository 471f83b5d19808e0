package io.netchannel.vdevice;

import com.google.common.collect.ImmutableList;
import io.netchannel.xen.EventChannels;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenException;
import java.nio.ByteBuffer;

/**
 * One queue of a connected device: the mapped pages of its rings, and the event channel they share.
 *
 * <p>When the connection ends everything is unmapped; whoever still has requests of it keeps this
 * object and asks {@link #isConnected} before touching the memory.
 */
public final class MappedQueue {
  private final int number;
  private final ImmutableList<GrantTable.Mapping> rings;
  private final EventChannels.EventChannel channel;
  private final GuestLog log;
  private boolean connected = true;

  /** Of mappings and a channel that are closed with it. */
  public MappedQueue(
      int number,
      ImmutableList<GrantTable.Mapping> rings,
      EventChannels.EventChannel channel,
      GuestLog log) {
    this.number = number;
    this.rings = rings;
    this.channel = channel;
    this.log = log;
  }

  public int number() {
    return number;
  }

  /** The pages of one ring; not to be touched when the connection has ended. */
  public ByteBuffer memory(int ring) {
    return rings.get(ring).memory();
  }

  public boolean isConnected() {
    return connected;
  }

  /** Tells the frontend that there is something on a ring. */
  public void notifyPeer() {
    try {
      channel.notifyPeer();
    } catch (XenException e) {
      log.warn("cannot notify the frontend: " + e.getMessage());
    }
  }

  /** Unbinds and unmaps. Idempotent. */
  public void disconnect() {
    if (connected) {
      connected = false;
      channel.close();
      rings.forEach(GrantTable.Mapping::close);
    }
  }
}
