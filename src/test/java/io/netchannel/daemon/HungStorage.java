package io.netchannel.daemon;

import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.DeviceKind;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.Outcome;
import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Storage that hangs until it is healed: "open" as soon as it is opened, all others when the first
 * request is there, which its close waits for as any device's.
 */
final class HungStorage implements DeviceKind {
  private final CompletableFuture<Void> healed = new CompletableFuture<>();

  /** Zero when somebody waits for it. */
  final CountDownLatch hangs = new CountDownLatch(1);

  private final AtomicInteger keptPlaces = new AtomicInteger();

  /** How often a user said that it would come again. */
  int keptPlaces() {
    return keptPlaces.get();
  }

  void heal() {
    healed.complete(null);
  }

  @Override
  public Device open(String text, OpenOptions options) {
    if (text.equals("open")) {
      hangs.countDown();
      healed.join();
    }
    return new Hanging();
  }

  private final class Hanging implements Device {
    private volatile boolean busy;

    @Override
    public DeviceGeometry geometry() {
      return new DeviceGeometry(1 << 20, 512, 512, false, true, false, 0, false);
    }

    private void request(Completion completion) {
      busy = true;
      hangs.countDown();
      var unused = healed.thenRun(() -> completion.complete(Outcome.OK));
    }

    @Override
    public void read(long offsetBytes, ByteBuffer data, Completion completion) {
      request(completion);
    }

    @Override
    public void write(long offsetBytes, ByteBuffer data, Completion completion) {
      request(completion);
    }

    @Override
    public void flush(Completion completion) {
      request(completion);
    }

    @Override
    public void discard(long offsetBytes, long lengthBytes, Completion completion) {
      request(completion);
    }

    @Override
    public void keepPlace() {
      keptPlaces.incrementAndGet();
    }

    @Override
    public void close() {
      if (busy) {
        healed.join();
      }
    }
  }
}
