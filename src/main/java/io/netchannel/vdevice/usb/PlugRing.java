package io.netchannel.vdevice.usb;

import io.netchannel.vdevice.BackRing;
import io.netchannel.vdevice.MappedQueue;
import io.netchannel.vdevice.RingBrokenException;
import io.netchannel.vdevice.SharedRing;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The second ring of a connection: what the frontend puts there are forms for plug events, to be
 * filled in and sent back. One is taken when there is an event, so that nothing of it has to be
 * remembered over a restart.
 */
final class PlugRing {
  private final MappedQueue queue;
  private final ByteBuffer memory;
  private final BackRing ring;
  private final PlugEvents events;
  private final Runnable told;
  private final ByteBuffer slot =
      ByteBuffer.allocate(UrbLayout.PLUG_SLOT_BYTES).order(ByteOrder.LITTLE_ENDIAN);

  /**
   * @param index of the ring in its queue
   * @param told runs when the frontend can see all that it was told
   */
  PlugRing(MappedQueue queue, int index, PlugEvents events, Runnable told)
      throws RingBrokenException {
    this.queue = queue;
    this.events = events;
    this.told = told;
    memory = queue.memory(index);
    // All that were taken are answered: where the one end is, there is the other.
    ring =
        BackRing.attach(
            memory,
            UrbLayout.PLUG_SLOT_BYTES,
            SharedRing.readIndex(memory, SharedRing.RSP_PROD_OFFSET),
            0);
    events.connected();
  }

  /** Tells the frontend what is new, as far as it has left room for that. */
  void serve() throws RingBrokenException {
    while (events.next() != PlugEvents.NONE && isRoom()) {
      int speed = events.next();
      ring.take(slot);
      int position = ring.responseOffset();
      memory.putShort(position + UrbLayout.ID, slot.getShort(UrbLayout.ID));
      memory.put(position + UrbLayout.PLUG_PORT, (byte) UrbParser.PORT);
      memory.put(position + UrbLayout.PLUG_SPEED, (byte) speed);
      ring.responded();
      events.told(speed);
    }
    if (ring.push()) {
      queue.notifyPeer();
    }
    told.run();
  }

  private boolean isRoom() throws RingBrokenException {
    return ring.waiting() > 0 || ring.finalCheckForRequests();
  }
}
