package io.netchannel.vdevice.usb;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import io.netchannel.vdevice.VirtualDevice;
import io.netchannel.vdevice.VirtualDevice.State;
import io.netchannel.vdevice.block.frontend.FrontRing;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.embedded.GuestPages;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A URB on its way from the ring and back makes no object, whatever its type. */
final class UrbSteadyPathTest {
  private static final int WARM_UP_URBS = 1024;
  private static final int URBS = 16_384;

  /** Below the smallest object there is, for each URB. */
  private static final double BYTES_PER_URB = 1;

  private static final int PACKETS = 8;
  private static final int PACKET_BYTES = 192;

  private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
  private final UsbHost host = new UsbHost();
  private final ByteBuffer response =
      ByteBuffer.allocate(UrbLayout.RESPONSE_BYTES).order(ByteOrder.LITTLE_ENDIAN);
  private FrontRing ring;
  private int data;
  private int table;

  @BeforeEach
  void connect() {
    GuestPages ringPage = host.domain.allocatePage();
    GuestPages tablePage = host.domain.allocatePage();
    ring = new FrontRing(ringPage.memory(), UrbLayout.SLOT_BYTES);
    data = host.domain.grantAccess(0, host.domain.allocatePage(), 0, false);
    table = host.domain.grantAccess(0, tablePage, 0, false);
    for (int packet = 0; packet < PACKETS; packet++) {
      int at = packet * UrbLayout.PACKET_BYTES;
      tablePage.memory().putInt(at + UrbLayout.PACKET_OFFSET, packet * PACKET_BYTES);
      tablePage.memory().putInt(at + UrbLayout.PACKET_LENGTH, PACKET_BYTES);
    }
    host.port.offer();
    try (XenStore guest = host.domain.xenStore()) {
      String frontend = host.address.frontendPath();
      GuestPages plugPage = host.domain.allocatePage();
      guest.write(frontend + "/urb-ring-ref", "" + host.domain.grantAccess(0, ringPage, 0, false));
      guest.write(frontend + "/conn-ring-ref", "" + host.domain.grantAccess(0, plugPage, 0, false));
      guest.write(frontend + "/event-channel", "" + host.domain.allocUnbound(0));
      guest.write(frontend + "/state", "4");
    }
    host.port.poll(handler, 0);
    assertThat(host.port.state()).isEqualTo(State.CONNECTED);
  }

  private final VirtualDevice.Handler<UrbRequest> handler =
      new VirtualDevice.Handler<>() {
        @Override
        public void onRequest(UrbRequest request) {
          int bytes = request.lengthBytes();
          for (int packet = 0; packet < request.packets(); packet++) {
            request.packetDone(packet, request.packetBytes(packet), 0);
          }
          boolean copied =
              request.isIn()
                  ? request.copyToGuest(host.buffer, bytes)
                  : request.copyFromGuest(host.buffer);
          request.respond(copied ? UsbHost.OK : UsbHost.EPROTO, bytes, 0, 0);
          request.release();
        }

        @Override
        public void onConnected() {}

        @Override
        public void onDisconnected() {}
      };

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
      host.port.poll(handler, 16);
      host.port.publishResponses();
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
