package io.netchannel.rehearsal.guest;

import io.netchannel.vdevice.block.BlockOperation;
import java.nio.ByteBuffer;

/** A disk as the guest's block layer sees it. Used on the guest's CPU only. */
public interface GuestDisk {

  /** Told the end of a request, on the guest's CPU. */
  @FunctionalInterface
  interface Done {
    /**
     * A request has ended.
     *
     * @param ok false for an I/O error
     */
    void done(boolean ok);
  }

  long sizeBytes();

  /**
   * Sends a request.
   *
   * @param operation READ, WRITE or FLUSH
   * @param data the bytes to write, or room for those to read, from position to limit; owned by the
   *     disk until it is done; empty for a flush
   */
  void submit(BlockOperation operation, long offsetBytes, ByteBuffer data, Done done);
}
