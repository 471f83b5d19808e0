package io.netchannel.midpoint.usb;

import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.midpoint.DeviceFlow;
import io.netchannel.midpoint.InflightTable;
import io.netchannel.midpoint.MidPoint;
import io.netchannel.midpoint.MidPointId;
import io.netchannel.midpoint.MidPointLimits;
import io.netchannel.midpoint.MidPointTrace;
import io.netchannel.midpoint.Milestones;
import io.netchannel.vdevice.usb.UrbRequest;
import io.netchannel.vdevice.usb.UsbPort;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongSupplier;

/** The mid-point of one virtual USB port. */
public final class UsbMidPoint extends MidPoint<UsbDevice, UsbManifest> {
  /** Of a ring of one page (io/usbif.h). */
  static final int RING_SLOTS = 16;

  static final InflightTable.Layout INFLIGHT =
      InflightTable.Layout.of("NCINFLU1", UrbRequest.MAX_ENCODED_BYTES);

  /**
   * As many requests as a virtual port has at a time: those without an answer, and as many whose
   * answer the guest may not have seen. A ring of URBs of {@link UrbRequest#MAX_DATA_BYTES} is 1
   * MiB.
   */
  static final MidPointLimits LIMITS =
      new MidPointLimits(2 * RING_SLOTS, (long) RING_SLOTS * UrbRequest.MAX_DATA_BYTES, RING_SLOTS);

  private final UsbFlow flow;

  /**
   * A mid-point that expects its device.
   *
   * @param port published already, not offered; owned by the mid-point from now on
   * @param inflight likewise
   * @param buffers of all devices of the host
   * @param nanoTime of a monotonic clock
   * @param wake makes somebody call {@link #doWork} soon; called on any thread
   * @param milestones hears of a guest that is taken over
   */
  public UsbMidPoint(
      MidPointId id,
      UsbPort port,
      InflightTable inflight,
      BufferBudget buffers,
      MidPointTrace trace,
      LongSupplier nanoTime,
      Runnable wake,
      Milestones milestones) {
    this(
        new UsbFlow(
            port,
            milestones,
            new DeviceFlow.Parts(
                id,
                inflight,
                LIMITS,
                buffers.lease(id.toString(), LIMITS.bufferBytes(), wake),
                trace,
                nanoTime,
                wake)));
  }

  private UsbMidPoint(UsbFlow flow) {
    super(flow);
    this.flow = flow;
  }

  /**
   * Maps the table of a port's requests in flight, and makes it when it is not there.
   *
   * @param file its directory is made if needed
   * @throws IOException when it cannot be mapped, or is the file of another version
   */
  public static InflightTable inflight(Path file) throws IOException {
    return InflightTable.open(file, INFLIGHT, LIMITS);
  }

  /** Why the guest is not shown what is plugged; empty when it is. On any thread. */
  public Optional<String> refusal() {
    return flow.refusal();
  }

  /**
   * Why the guest must not be sealed, in words that say what to do; empty when it may, as far as is
   * known now. The seal looks again. On any thread.
   */
  public Optional<String> obstacle() {
    return flow.obstacle();
  }

  /**
   * Whether the guest is about to suspend: from now on it gets slots for the unlinks that its
   * freeze needs, and what its device has to say stays there. On any thread.
   */
  public void suspending(boolean yes) {
    var unused =
        this.<Void>command(
            future -> {
              flow.suspending(yes);
              future.complete(null);
            });
  }

  /**
   * Shows the guest an empty port until {@link #show}, or until it is served elsewhere: for a guest
   * that must not take its device along as it is. Fits SERVING.
   *
   * @return completes when the guest has nothing at the port any more; to be waited for before it
   *     is told to suspend: a guest that freezes first has not heard of it, and its drivers go on
   *     where it resumes
   */
  public CompletableFuture<Void> withdraw() {
    return command(flow::withdraw);
  }

  /** Shows the guest again what is there. */
  public CompletableFuture<Void> show() {
    return command(
        future -> {
          flow.show();
          future.complete(null);
        });
  }

  /**
   * What of a guest that was served elsewhere could not be gone on with here, in words: the guest
   * is shown that its device was plugged anew, or waits for what it had there. Empty when all is
   * well. On any thread.
   */
  public Optional<String> lost() {
    return flow.lost();
  }

  /** As {@link UsbPort#orphans}; on any thread. */
  public int orphans() {
    return flow.orphans();
  }

  /**
   * How many responses this process gave where no request had made room for them, as a stock driver
   * makes necessary after a migration; each might have met a request that came in that instant. On
   * any thread.
   */
  public long uncoveredResponses() {
    return flow.uncoveredResponses();
  }
}
