package io.netchannel.device.usb.soft;

import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.Outcome;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;

/** Storage in memory, which is taken when it is written. */
final class MemoryStorage implements Device {
  private static final int CHUNK_BYTES = 64 << 10;

  private final long sizeBytes;
  private final Map<Long, byte[]> chunks = new HashMap<>();

  MemoryStorage(long sizeBytes) {
    this.sizeBytes = sizeBytes;
  }

  @Override
  public DeviceGeometry geometry() {
    return new DeviceGeometry(sizeBytes, 512, 512, false, false, false, 0, false);
  }

  @Override
  public void read(long offsetBytes, ByteBuffer data, Completion completion) {
    move(offsetBytes, data, false);
    completion.complete(Outcome.OK);
  }

  @Override
  public void write(long offsetBytes, ByteBuffer data, Completion completion) {
    move(offsetBytes, data, true);
    completion.complete(Outcome.OK);
  }

  private synchronized void move(long offsetBytes, ByteBuffer data, boolean isWrite) {
    int done = 0;
    while (done < data.remaining()) {
      long at = offsetBytes + done;
      int inChunk = (int) (at % CHUNK_BYTES);
      int bytes = Math.min(CHUNK_BYTES - inChunk, data.remaining() - done);
      long number = at / CHUNK_BYTES;
      if (isWrite) {
        byte[] chunk = chunks.computeIfAbsent(number, unused -> new byte[CHUNK_BYTES]);
        data.get(data.position() + done, chunk, inChunk, bytes);
      } else {
        byte[] chunk = chunks.getOrDefault(number, new byte[CHUNK_BYTES]);
        data.put(data.position() + done, chunk, inChunk, bytes);
      }
      done += bytes;
    }
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
