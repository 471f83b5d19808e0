package io.netchannel.device.filter;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.Extents;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** Notes what arrives and completes nothing until the test does. */
final class HeldDevice implements Device {
  final List<String> arrived = new ArrayList<>();
  final List<Completion> completions = new ArrayList<>();
  boolean closed;

  @Override
  public DeviceGeometry geometry() {
    return new DeviceGeometry(1 << 20, 512, 4096, false, true, true, 4096, true);
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
  public void zero(
      long offsetBytes, long lengthBytes, boolean mayDeallocate, Completion completion) {
    String how = mayDeallocate ? ", a hole will do" : "";
    arrive("zero %d+%d%s".formatted(offsetBytes, lengthBytes, how), completion);
  }

  @Override
  public CompletableFuture<Extents> extents(long offsetBytes, long lengthBytes) {
    Extents.Run all = new Extents.Run(offsetBytes, lengthBytes);
    return CompletableFuture.completedFuture(new Extents(ImmutableList.of(all)));
  }

  @Override
  public CompletableFuture<Void> moved(String to) {
    arrived.add("moved to " + to);
    return new CompletableFuture<>();
  }

  @Override
  public CompletableFuture<Void> arrived() {
    arrived.add("arrived");
    return CompletableFuture.completedFuture(null);
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
