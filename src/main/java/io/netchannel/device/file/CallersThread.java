package io.netchannel.device.file;

import io.netchannel.device.Completion;
import io.netchannel.device.ForwardingDevice;
import io.netchannel.device.file.FileRequest.Operation;
import java.nio.ByteBuffer;

/**
 * A file device for a caller with a thread to spare: reads and writes run on that thread. What may
 * take seconds, as flushes and discards, never does.
 */
final class CallersThread extends ForwardingDevice {
  private final FileDevice file;
  private final boolean evenIfItWaits;

  /**
   * Makes a view.
   *
   * @param evenIfItWaits false for a device behind the page cache only: reads that are not in it
   *     are handed over, writes go to it
   */
  CallersThread(FileDevice file, boolean evenIfItWaits) {
    super(file);
    this.file = file;
    this.evenIfItWaits = evenIfItWaits;
  }

  @Override
  public void read(long offsetBytes, ByteBuffer data, Completion completion) {
    if (evenIfItWaits) {
      file.runHere(Operation.READ, offsetBytes, data, completion);
    } else if (!file.readCached(offsetBytes, data, completion)) {
      file.read(offsetBytes, data, completion);
    }
  }

  @Override
  public void write(long offsetBytes, ByteBuffer data, Completion completion) {
    file.runHere(Operation.WRITE, offsetBytes, data, completion);
  }
}
