package io.netchannel.cli;

import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.ForwardingDevice;
import io.netchannel.device.Outcome;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;

/** A device that answers reads of one sector, or its close, when the test says so. */
final class SilentDevice extends ForwardingDevice {
  static final int SECTOR = 512;

  /** Reads that wait: until it is closed, as at a device server that is away. */
  final List<Completion> waiting = new CopyOnWriteArrayList<>();

  private final CountDownLatch mayClose;

  SilentDevice(Device device, CountDownLatch mayClose) {
    super(device);
    this.mayClose = mayClose;
  }

  @Override
  public void read(long offsetBytes, ByteBuffer data, Completion completion) {
    if (data.remaining() == SECTOR) {
      waiting.add(completion);
    } else {
      super.read(offsetBytes, data, completion);
    }
  }

  @Override
  public void close() {
    try {
      mayClose.await();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
    waiting.forEach(each -> each.complete(Outcome.IO_ERROR));
    waiting.clear();
    super.close();
  }
}
