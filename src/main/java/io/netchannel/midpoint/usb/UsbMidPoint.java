package io.netchannel.midpoint.usb;

import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.midpoint.DeviceFlow;
import io.netchannel.midpoint.InflightTable;
import io.netchannel.midpoint.Manifest;
import io.netchannel.midpoint.MidPoint;
import io.netchannel.midpoint.MidPointId;
import io.netchannel.midpoint.MidPointLimits;
import io.netchannel.midpoint.MidPointTrace;
import io.netchannel.vdevice.usb.UrbRequest;
import io.netchannel.vdevice.usb.UsbPort;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.LongSupplier;

/** The mid-point of one virtual USB port. It cannot be sealed: its guest stays on its host. */
public final class UsbMidPoint extends MidPoint<UsbDevice, Manifest> {
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
   */
  public UsbMidPoint(
      MidPointId id,
      UsbPort port,
      InflightTable inflight,
      BufferBudget buffers,
      MidPointTrace trace,
      LongSupplier nanoTime,
      Runnable wake) {
    this(
        new UsbFlow(
            port,
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
}
