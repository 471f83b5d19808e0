package io.netchannel.midpoint.block;

import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.Outcome;
import java.nio.ByteBuffer;

/** A disk in memory that completes every request before its method returns. */
final class MemoryDevice implements Device {
  private final ByteBuffer content;

  MemoryDevice(int sizeBytes) {
    content = ByteBuffer.allocateDirect(sizeBytes);
  }

  @Override
  public DeviceGeometry geometry() {
    return new DeviceGeometry(content.capacity(), 512, 4096, false, true, false, 0, false);
  }

  @Override
  public void read(long offsetBytes, ByteBuffer data, Completion completion) {
    data.put(data.position(), content, (int) offsetBytes, data.remaining());
    completion.complete(Outcome.OK);
  }

  @Override
  public void write(long offsetBytes, ByteBuffer data, Completion completion) {
    content.put((int) offsetBytes, data, data.position(), data.remaining());
    completion.complete(Outcome.OK);
  }

  @Override
  public void flush(Completion completion) {
    completion.complete(Outcome.OK);
  }

  @Override
  public void discard(long offsetBytes, long lengthBytes, Completion completion) {
    completion.complete(Outcome.UNSUPPORTED);
  }

  @Override
  public void close() {}
}
