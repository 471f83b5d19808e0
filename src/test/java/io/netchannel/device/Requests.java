package io.netchannel.device;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** Requests to a device that a test waits for. */
public final class Requests {
  /** Far longer than any request takes; only a lost completion reaches it. */
  private static final long BOUND_SECONDS = 60;

  private Requests() {}

  public static Outcome write(Device device, long offsetBytes, byte[] data) {
    ByteBuffer buffer = BlockBuffers.allocate(data.length);
    buffer.put(data).flip();
    return await(done -> device.write(offsetBytes, buffer, done));
  }

  /** The bytes read; fails the test when the outcome is not OK. */
  public static byte[] read(Device device, long offsetBytes, int lengthBytes) {
    ByteBuffer buffer = BlockBuffers.allocate(lengthBytes);
    Outcome outcome = await(done -> device.read(offsetBytes, buffer, done));
    if (outcome != Outcome.OK) {
      throw new AssertionError("read of %d at %d: %s".formatted(lengthBytes, offsetBytes, outcome));
    }
    byte[] data = new byte[lengthBytes];
    buffer.get(data);
    return data;
  }

  public static Outcome flush(Device device) {
    return await(device::flush);
  }

  public static Outcome discard(Device device, long offsetBytes, long lengthBytes) {
    return await(done -> device.discard(offsetBytes, lengthBytes, done));
  }

  public static Outcome zero(
      Device device, long offsetBytes, long lengthBytes, boolean mayDeallocate) {
    return await(done -> device.zero(offsetBytes, lengthBytes, mayDeallocate, done));
  }

  /** The runs that are known to be zeros. */
  public static List<Extents.Run> zeros(Device device, long offsetBytes, long lengthBytes) {
    return join(device.extents(offsetBytes, lengthBytes)).zeros();
  }

  /** A request that only needs its completion. */
  @FunctionalInterface
  public interface Submission {
    void submit(Completion completion);
  }

  public static Outcome await(Submission request) {
    return join(submit(request));
  }

  /** Fails when the completion comes twice. */
  public static CompletableFuture<Outcome> submit(Submission request) {
    CompletableFuture<Outcome> future = new CompletableFuture<>();
    request.submit(
        outcome -> {
          if (!future.complete(outcome)) {
            throw new AssertionError("completed twice, now with " + outcome);
          }
        });
    return future;
  }

  public static <T> T join(CompletableFuture<T> future) {
    return future.orTimeout(BOUND_SECONDS, TimeUnit.SECONDS).join();
  }
}
