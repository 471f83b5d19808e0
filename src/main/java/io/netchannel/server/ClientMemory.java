package io.netchannel.server;

import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.memory.BufferLease;
import io.netchannel.device.memory.Chunk;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.UnpooledByteBufAllocator;
import io.netty.buffer.UnpooledDirectByteBuf;

/**
 * What the requests of one connection, or session, have of the server's budget. Taken on the event
 * loop, given back on any thread: by the device, or when a reply has been sent, perhaps after the
 * connection's end.
 *
 * <p>A slab without a request goes back at once: a client that is idle has nothing.
 */
final class ClientMemory {
  private final BufferLease lease;
  private final Runnable wake;

  // All below, and the lease, are guarded by this.
  private int lent;
  private boolean refused;
  private boolean ending;

  /**
   * @param mostBytes of the connection
   * @param wake called on any thread when what was refused may be there; must not block
   */
  ClientMemory(BufferBudget buffers, String client, long mostBytes, Runnable wake) {
    this.wake = wake;
    lease = buffers.lease(client, mostBytes, wake);
  }

  /**
   * Memory for a request, page-aligned, all of it readable and its content undefined.
   *
   * @param bytes 1 or more
   * @return null when there is none: {@code wake} tells when to ask again; never after {@link #end}
   */
  synchronized ByteBuf take(int bytes) {
    Chunk chunk = ending ? null : lease.acquireOrAwait(bytes);
    refused = chunk == null;
    if (refused) {
      return null;
    }
    lent++;
    return new Lent(chunk).writerIndex(bytes);
  }

  private synchronized void giveBack(Chunk chunk) {
    lease.release(chunk);
    lent--;
    if (refused) {
      // It may have all that it can have, so it is in no line.
      refused = false;
      wake.run();
    }
    if (ending && lent == 0) {
      lease.close();
    } else if (!refused) {
      lease.trim();
    }
  }

  /** What came and is not needed goes to the next one. */
  synchronized void trim() {
    lease.trim();
  }

  /** The connection is over; what is at the device still has its memory until it is done. */
  synchronized void end() {
    ending = true;
    if (lent == 0) {
      lease.close();
    }
  }

  private final class Lent extends UnpooledDirectByteBuf {
    private final Chunk chunk;

    Lent(Chunk chunk) {
      super(UnpooledByteBufAllocator.DEFAULT, chunk.buffer(), chunk.buffer().remaining());
      this.chunk = chunk;
    }

    @Override
    protected void deallocate() {
      super.deallocate();
      giveBack(chunk);
    }
  }
}
