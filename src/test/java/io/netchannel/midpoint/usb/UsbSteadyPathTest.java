package io.netchannel.midpoint.usb;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.vdevice.VirtualDevice.State;
import io.netchannel.vdevice.block.frontend.FrontRing;
import io.netchannel.vdevice.usb.PipeType;
import io.netchannel.vdevice.usb.UrbLayout;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.embedded.GuestPages;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A URB on its way from the ring to the device and back makes no object, whatever its type. */
final class UsbSteadyPathTest {
  private static final int WARM_UP_URBS = 1024;
  private static final int URBS = 16_384;

  /** Below the smallest object there is, for each URB. */
  private static final double BYTES_PER_URB = 1;

  private static final int PACKETS = 8;
  private static final int PACKET_BYTES = 192;

  /** Has done a URB when it is told so. */
  private static final class QuickDevice implements UsbDevice {
    private final PortState port = ScriptedUsbDevice.plugged(new Gadget(), 0xff).port();
    private Urb urb;
    private UrbCompletion completion;

    @Override
    public PortState port() {
      return port;
    }

    @Override
    public void listen(PortListener listener) {
      listener.portChanged();
    }

    @Override
    public void submit(Urb submitted, int incarnation, UrbCompletion whenDone) {
      urb = submitted;
      completion = whenDone;
    }

    void finish() {
      for (int packet = 0; packet < urb.packets(); packet++) {
        urb.packetDone(packet, urb.packetBytes(packet), UrbStatus.OK);
      }
      urb.done(UrbStatus.OK, urb.dataBytes());
      completion.complete(urb);
    }

    @Override
    public void unlink(Urb unlinked) {}

    @Override
    public CompletableFuture<UrbStatus> reset() {
      return CompletableFuture.completedFuture(UrbStatus.OK);
    }

    @Override
    public void close() {}
  }

  private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
  private final UsbGuest guest = new UsbGuest();
  private final QuickDevice device = new QuickDevice();
  private final ByteBuffer response =
      ByteBuffer.allocate(UrbLayout.RESPONSE_BYTES).order(ByteOrder.LITTLE_ENDIAN);
  private FrontRing ring;
  private int data;
  private int table;

  @BeforeEach
  void connect() {
    GuestPages ringPage = guest.domain.allocatePage();
    GuestPages tablePage = guest.domain.allocatePage();
    ring = new FrontRing(ringPage.memory(), UrbLayout.SLOT_BYTES);
    data = guest.domain.grantAccess(0, guest.domain.allocatePage(), 0, false);
    table = guest.domain.grantAccess(0, tablePage, 0, false);
    for (int packet = 0; packet < PACKETS; packet++) {
      int at = packet * UrbLayout.PACKET_BYTES;
      tablePage.memory().putInt(at + UrbLayout.PACKET_OFFSET, packet * PACKET_BYTES);
      tablePage.memory().putInt(at + UrbLayout.PACKET_LENGTH, PACKET_BYTES);
    }
    guest.await(guest.midPoint.serve(device, 1));
    try (XenStore store = guest.domain.xenStore()) {
      String frontend = guest.address.frontendPath();
      GuestPages plugPage = guest.domain.allocatePage();
      store.write(frontend + "/urb-ring-ref", "" + guest.domain.grantAccess(0, ringPage, 0, false));
      store.write(
          frontend + "/conn-ring-ref", "" + guest.domain.grantAccess(0, plugPage, 0, false));
      store.write(frontend + "/event-channel", "" + guest.domain.allocUnbound(0));
      store.write(frontend + "/state", "4");
    }
    guest.midPoint.doWork();
    assertThat(guest.midPoint.status().frontend()).isEqualTo(State.CONNECTED);
  }

  @ParameterizedTest
  @CsvSource({
    "BULK, true",
    "BULK, false",
    "INTERRUPT, true",
    "CONTROL, true",
    "CONTROL, false",
    "ISOCHRONOUS, true",
    "ISOCHRONOUS, false"
  })
  void aUrbAllocatesNothing(PipeType type, boolean in) {
    exchange(type, in, WARM_UP_URBS);
    long before = threads.getCurrentThreadAllocatedBytes();
    exchange(type, in, URBS);
    long bytes = threads.getCurrentThreadAllocatedBytes() - before;
    assertThat((double) bytes / URBS).as("bytes per URB").isLessThan(BYTES_PER_URB);
  }

  private void exchange(PipeType type, boolean in, int urbs) {
    int length = PACKETS * PACKET_BYTES;
    int endpoint = type == PipeType.CONTROL ? 0 : 1;
    int pipe =
        1
            | (in ? UrbLayout.IN : 0)
            | endpoint << UrbLayout.ENDPOINT_SHIFT
            | type.number() << UrbLayout.TYPE_SHIFT;
    long setup =
        switch (type) {
          case BULK, INTERRUPT -> 0;
          case CONTROL -> (in ? 0xc0 : 0x40) | (long) length << 48;
          case ISOCHRONOUS ->
              (long) PACKETS << UrbLayout.PACKET_COUNT_SHIFT
                  | 1L << UrbLayout.TABLE_SEGMENT_COUNT_SHIFT;
        };
    ByteBuffer memory = ring.memory();
    for (int urb = 0; urb < urbs; urb++) {
      int slot = ring.requestOffset();
      memory.putShort(slot + UrbLayout.ID, (short) (urb & 15));
      memory.putShort(slot + UrbLayout.SEGMENT_COUNT, (short) 1);
      memory.putInt(slot + UrbLayout.PIPE, pipe);
      memory.putShort(slot + UrbLayout.FLAGS, (short) 0);
      memory.putShort(slot + UrbLayout.LENGTH, (short) length);
      memory.putLong(slot + UrbLayout.SETUP, setup);
      segment(slot, 0, data, length);
      segment(slot, 1, table, PACKETS * UrbLayout.PACKET_BYTES);
      ring.put();
      ring.push();
      guest.midPoint.doWork();
      device.finish();
      guest.midPoint.doWork();
      if (ring.responses() != 1) {
        throw new IllegalStateException("not answered");
      }
      ring.take(response);
      if (response.getInt(UrbLayout.RESPONSE_STATUS) != 0) {
        throw new IllegalStateException("answered with an error");
      }
    }
  }

  private void segment(int slot, int index, int reference, int bytes) {
    int position = slot + UrbLayout.SEGMENTS + index * UrbLayout.SEGMENT_BYTES;
    ring.memory().putInt(position, reference);
    ring.memory().putInt(position + 4, bytes << 16);
  }
}
