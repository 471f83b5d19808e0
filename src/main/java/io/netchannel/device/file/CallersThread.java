package io.netchannel.device.file;

import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.file.FileRequest.Operation;
import java.nio.ByteBuffer;

/**
 * A file device for a caller with a thread to spare: reads and writes run on that thread. Flushes
 * and discards, which may take seconds, never do.
 */
final class CallersThread implements Device {
  private final FileDevice device;
  private final boolean evenIfItWaits;

  /**
   * Makes a view.
   *
   * @param evenIfItWaits false for a device behind the page cache only: reads that are not in it
   *     are handed over, writes go to it
   */
  CallersThread(FileDevice device, boolean evenIfItWaits) {
    this.device = device;
    this.evenIfItWaits = evenIfItWaits;
  }

  @Override
  public DeviceGeometry geometry() {
    return device.geometry();
  }

  @Override
  public void read(long offsetBytes, ByteBuffer data, Completion completion) {
    if (evenIfItWaits) {
      device.runHere(Operation.READ, offsetBytes, data, completion);
    } else if (!device.readCached(offsetBytes, data, completion)) {
      device.read(offsetBytes, data, completion);
    }
  }

  @Override
  public void write(long offsetBytes, ByteBuffer data, Completion completion) {
    device.runHere(Operation.WRITE, offsetBytes, data, completion);
  }

  @Override
  public void flush(Completion completion) {
    device.flush(completion);
  }

  @Override
  public void discard(long offsetBytes, long lengthBytes, Completion completion) {
    device.discard(offsetBytes, lengthBytes, completion);
  }

  @Override
  public void close() {
    device.close();
  }
}
