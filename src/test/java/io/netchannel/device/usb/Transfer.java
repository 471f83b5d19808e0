package io.netchannel.device.usb;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;

/** A URB that a test submits: it notes its completion, and that there is one only. */
public final class Transfer {
  public final Urb urb = new Urb();
  private final CompletableFuture<Void> done = new CompletableFuture<>();

  /** The thread that is within submit. */
  private volatile Thread submitting;

  private final AtomicInteger completions = new AtomicInteger();

  private Transfer() {}

  /** A control request; {@code data} is what is sent, or room for what comes. */
  public static Transfer control(
      int type, int request, int value, int index, int length, byte... data) {
    Transfer transfer = new Transfer();
    long setup =
        type | (long) request << 8 | (long) value << 16 | (long) index << 32 | (long) length << 48;
    transfer.urb.control(setup, buffer(data));
    return transfer;
  }

  public static Transfer bulk(int endpoint, byte... data) {
    Transfer transfer = new Transfer();
    transfer.urb.bulk(endpoint, buffer(data), false);
    return transfer;
  }

  /** A bulk IN transfer for which less than it asks for is an error. */
  public static Transfer wholeBulk(int endpoint, int bytes) {
    Transfer transfer = new Transfer();
    transfer.urb.bulk(endpoint, buffer(new byte[bytes]), true);
    return transfer;
  }

  public static Transfer interrupt(int endpoint, byte... data) {
    Transfer transfer = new Transfer();
    transfer.urb.interrupt(endpoint, buffer(data), false, 0);
    return transfer;
  }

  /** Packets of the same size, without gaps. */
  public static Transfer isochronous(int endpoint, int packetBytes, byte... data) {
    Transfer transfer = new Transfer();
    transfer.urb.isochronous(endpoint, buffer(data), 0);
    for (int at = 0; at < data.length; at += packetBytes) {
      transfer.urb.addPacket(at, packetBytes);
    }
    return transfer;
  }

  private static ByteBuffer buffer(byte[] data) {
    // In the middle of something larger: a device keeps to its part.
    ByteBuffer whole = ByteBuffer.allocateDirect(data.length + 7).position(3);
    return whole.put(data).flip().position(3);
  }

  public Transfer submitTo(UsbDevice device, int incarnation) {
    submitting = Thread.currentThread();
    device.submit(urb, incarnation, this::complete);
    submitting = null;
    return this;
  }

  private void complete(Urb completed) {
    assertThat(completed).isSameAs(urb);
    assertThat(submitting).as("completed within submit").isNotEqualTo(Thread.currentThread());
    assertThat(completions.incrementAndGet()).as("completions of " + urb).isEqualTo(1);
    done.complete(null);
  }

  /** Its completion came, from something that is no whole device. */
  public void completed() {
    complete(urb);
  }

  public boolean isDone() {
    return completions.get() > 0;
  }

  /** Waits for its completion, of a device that has threads of its own. */
  public void awaitDone(long boundSeconds)
      throws InterruptedException, ExecutionException, TimeoutException {
    done.get(boundSeconds, TimeUnit.SECONDS);
  }

  /** Its status; fails the test when it is not done. */
  public UrbStatus status() {
    assertThat(isDone()).as(urb + " is done").isTrue();
    return urb.status();
  }

  /** What came, or was taken; fails the test when it is not done. */
  public byte[] data() {
    assertThat(isDone()).as(urb + " is done").isTrue();
    byte[] bytes = new byte[urb.actualBytes()];
    urb.data().get(urb.data().position(), bytes);
    return bytes;
  }
}
