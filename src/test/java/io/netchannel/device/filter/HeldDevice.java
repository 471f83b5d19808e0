package io.netchannel.device.filter;

import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceGeometry;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/** Notes what arrives and completes nothing until the test does. */
final class HeldDevice implements Device {
  final List<String> arrived = new ArrayList<>();
  final List<Completion> completions = new ArrayList<>();
  boolean closed;

  @Override
  public DeviceGeometry geometry() {
    return new DeviceGeometry(1 << 20, 512, 4096, false, true, true, 4096);
  }

  @Override
  public void read(long offsetBytes, ByteBuffer data, Completion completion) {
    arrive("read %d+%d".formatted(offsetBytes, data.remaining()), completion);
  }

  @Override
  public void write(long offsetBytes, ByteBuffer data, Completion completion) {
    arrive("write %d+%d".formatted(offsetBytes, data.remaining()), completion);
  }

  @Override
  public void flush(Completion completion) {
    arrive("flush", completion);
  }

  @Override
  public void discard(long offsetBytes, long lengthBytes, Completion completion) {
    arrive("discard %d+%d".formatted(offsetBytes, lengthBytes), completion);
  }

  @Override
  public void close() {
    closed = true;
  }

  private void arrive(String what, Completion completion) {
    arrived.add(what);
    completions.add(completion);
  }
}
