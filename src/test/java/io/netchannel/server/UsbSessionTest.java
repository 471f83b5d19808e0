package io.netchannel.server;

import static io.netchannel.server.ServerHarness.QUICK;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import io.netchannel.device.DeviceException;
import io.netchannel.device.RequestName;
import io.netchannel.device.remote.RemoteOptions;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.wire.Attach;
import io.netchannel.wire.Attached;
import io.netchannel.wire.Attached.Fate;
import io.netchannel.wire.ExportKind;
import io.netchannel.wire.FrameHeader;
import io.netchannel.wire.FrameType;
import io.netchannel.wire.Refusal;
import io.netchannel.wire.UrbFormat;
import io.netchannel.xen.Waiting;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A USB device of another host, through what may happen to its session. */
@Timeout(120)
final class UsbSessionTest {
  private static final String USER = "6b0f/usb0";

  /** Two slabs. */
  private static final long SMALL_BUDGET_BYTES = 2 << 20;

  /** For what hangs. */
  private static final int LONG_SECONDS = 30;

  @TempDir Path directory;
  private ServerHarness host;

  @BeforeEach
  void start() throws Exception {
    host = new ServerHarness(directory, 1).withUsb();
  }

  @AfterEach
  void stop() {
    host.usb.hold(false);
    host.close();
  }

  /** A URB and its end. */
  private static final class Transfer {
    final Urb urb = new Urb();
    final CompletableFuture<UrbStatus> ended = new CompletableFuture<>();
    private final AtomicInteger ends = new AtomicInteger();

    private Transfer to(UsbDevice device) {
      return to(device, device.port().incarnation());
    }

    private Transfer to(UsbDevice device, int incarnation) {
      device.submit(urb, incarnation, this::complete);
      return this;
    }

    private void complete(Urb done) {
      if (ends.incrementAndGet() > 1) {
        throw new AssertionError("completed again: " + done);
      }
      ended.complete(done.status());
    }

    private UrbStatus await() throws Exception {
      return ended.get(LONG_SECONDS, TimeUnit.SECONDS);
    }

    private byte[] data() {
      byte[] bytes = new byte[urb.actualBytes()];
      urb.data().get(urb.data().position(), bytes);
      return bytes;
    }

    private static Transfer out(int endpoint, long number, int bytes) {
      Transfer transfer = new Transfer();
      transfer.urb.bulk(endpoint, ByteBuffer.allocateDirect(bytes).putLong(0, number), false);
      return transfer;
    }

    private static Transfer in(int endpoint, int bytes) {
      Transfer transfer = new Transfer();
      if (endpoint == RecordingUsb.INTERRUPT_IN) {
        transfer.urb.interrupt(endpoint, ByteBuffer.allocateDirect(bytes), false, 8);
      } else {
        transfer.urb.bulk(endpoint, ByteBuffer.allocateDirect(bytes), false);
      }
      return transfer;
    }

    private static Transfer control(long setup, int bytes) {
      Transfer transfer = new Transfer();
      transfer.urb.control(setup, ByteBuffer.allocateDirect(bytes));
      return transfer;
    }
  }

  private static byte[] stream(long from, int bytes) {
    byte[] expected = new byte[bytes];
    for (int i = 0; i < bytes; i++) {
      expected[i] = RecordingUsb.streamByte(from + i);
    }
    return expected;
  }

  @Test
  void transfersOfAllTypes() throws Exception {
    try (UsbDevice device = host.openUsb(USER, 1)) {
      PortState.Plugged plugged = device.port().plugged().orElseThrow();
      assertThat(plugged.descriptors()).hasToString("1209:0003");
      assertThat(plugged.serial()).contains("NC42");
      assertThat(plugged.configuration()).isEqualTo(1);
      assertThat(device.port().incarnation()).isEqualTo(1);

      assertThat(Transfer.out(RecordingUsb.BULK_OUT, 7, 65536).to(device).await())
          .isEqualTo(UrbStatus.OK);
      assertThat(host.usb.written(RecordingUsb.BULK_OUT)).containsExactly(7L);

      Transfer in = Transfer.in(RecordingUsb.BULK_IN, 65536).to(device);
      assertThat(in.await()).isEqualTo(UrbStatus.OK);
      assertThat(in.data()).isEqualTo(stream(0, in.urb.actualBytes()));
      assertThat(in.urb.data()).isEqualTo(in.urb.data().duplicate().clear());

      Transfer interrupt = Transfer.in(RecordingUsb.INTERRUPT_IN, 8).to(device);
      Waiting.until("it is at the device", () -> host.usb.waiting() == 1);
      host.usb.report("key".getBytes(StandardCharsets.US_ASCII));
      assertThat(interrupt.await()).isEqualTo(UrbStatus.OK);
      assertThat(interrupt.data()).asString(StandardCharsets.US_ASCII).isEqualTo("key");

      Transfer control = Transfer.control(0x1122334455660680L, 18).to(device);
      assertThat(control.await()).isEqualTo(UrbStatus.OK);
      assertThat(control.data()).containsExactly(0x80, 0x06, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11);

      assertThat(Transfer.out(0x04, 1, 512).to(device).await()).isEqualTo(UrbStatus.STALL);
      assertThat(device.reset().get(LONG_SECONDS, TimeUnit.SECONDS)).isEqualTo(UrbStatus.OK);
      assertThat(host.usb.resets()).isEqualTo(1);
      assertThat(device.problem()).isEmpty();
    }
    assertThat(host.from("stick")).isEmpty();
  }

  @Test
  void isochronousPacketsKeepTheirPlaces() throws Exception {
    try (UsbDevice device = host.openUsb(USER, 1)) {
      Transfer in = new Transfer();
      ByteBuffer room = ByteBuffer.allocateDirect(1000).position(10).limit(910).slice();
      in.urb.isochronous(RecordingUsb.ISO_IN, room, 1);
      int[] offsets = {0, 100, 200, 400, 401};
      int[] lengths = {100, 90, 100, 1, 300};
      for (int i = 0; i < offsets.length; i++) {
        in.urb.addPacket(offsets[i], lengths[i]);
      }
      assertThat(in.to(device).await()).isEqualTo(UrbStatus.OK);
      int[] actual = {100, 0, 98, 1, 0};
      long from = 0;
      for (int i = 0; i < offsets.length; i++) {
        assertThat(in.urb.packetActualBytes(i)).as("packet %d", i).isEqualTo(actual[i]);
        assertThat(in.urb.packetStatus(i))
            .isEqualTo(i % 3 == 1 ? UrbStatus.MISSED_FRAME : UrbStatus.OK);
        byte[] bytes = new byte[actual[i]];
        room.get(offsets[i], bytes);
        assertThat(bytes).isEqualTo(stream(from, actual[i]));
        from += actual[i];
      }
      assertThat(in.urb.actualBytes()).isEqualTo(199);
      assertThat(in.urb.startFrame()).isEqualTo(78);
      assertThat(in.urb.errorCount()).isEqualTo(2);

      Transfer out = new Transfer();
      ByteBuffer data = ByteBuffer.allocateDirect(512);
      out.urb.isochronous(RecordingUsb.ISO_OUT, data, 1);
      for (int i = 0; i < 4; i++) {
        data.putLong(i * 100, 40 + i); // with gaps, and out of their order
        out.urb.addPacket((3 - i) * 100, 8);
      }
      assertThat(out.to(device).await()).isEqualTo(UrbStatus.OK);
      assertThat(out.urb.actualBytes()).isEqualTo(32);
      assertThat(host.usb.written(RecordingUsb.ISO_OUT)).containsExactly(43L, 42L, 41L, 40L);
    }
  }

  @Test
  void whatMakesNoSenseIsInvalidAndHurtsNobodyElse() throws Exception {
    try (UsbDevice device = host.openUsb(USER, 1)) {
      Transfer waits = Transfer.in(RecordingUsb.INTERRUPT_IN, 8).to(device);
      Transfer nowhere = Transfer.out(0x71, 1, 8).to(device);
      assertThat(nowhere.await()).isEqualTo(UrbStatus.INVALID);
      Transfer back = Transfer.in(RecordingUsb.INTERRUPT_IN, 8);
      back.urb.interrupt(RecordingUsb.INTERRUPT_IN, ByteBuffer.allocateDirect(8), false, -1);
      assertThat(back.to(device).await()).isEqualTo(UrbStatus.INVALID);
      host.usb.report(new byte[] {1});
      assertThat(waits.await()).isEqualTo(UrbStatus.OK);
    }
  }

  @Test
  void whatIsUnlinkedEndsAndTheOthersStay() throws Exception {
    try (UsbDevice device = host.openUsb(USER, 1)) {
      Transfer first = Transfer.in(RecordingUsb.INTERRUPT_IN, 8).to(device);
      Transfer second = Transfer.in(RecordingUsb.INTERRUPT_IN, 8).to(device);
      device.unlink(first.urb);
      assertThat(first.await()).isEqualTo(UrbStatus.CANCELLED);
      device.unlink(first.urb); // nothing
      host.usb.report(new byte[] {9});
      assertThat(second.await()).isEqualTo(UrbStatus.OK);
      assertThat(second.data()).containsExactly(9);
    }
  }

  /** As many as there are slots wait for ever, and one more is unlinked before it was ever sent. */
  @Test
  void moreThanThereAreSlotsWait() throws Exception {
    try (UsbDevice device = host.openUsb(USER, 1)) {
      List<Transfer> all = new ArrayList<>();
      for (int i = 0; i < UsbSession.SLOTS + 2; i++) {
        all.add(Transfer.in(RecordingUsb.INTERRUPT_IN, 8).to(device));
      }
      Waiting.until("slots are full", () -> host.usb.waiting() == UsbSession.SLOTS);
      device.unlink(all.get(UsbSession.SLOTS).urb);
      assertThat(all.get(UsbSession.SLOTS).await()).isEqualTo(UrbStatus.CANCELLED);
      assertThat(host.usb.submitted()).isEqualTo(UsbSession.SLOTS);
      assertThat(device.reset().get(LONG_SECONDS, TimeUnit.SECONDS)).isEqualTo(UrbStatus.OK);
      for (Transfer each : all) {
        assertThat(each.await()).isEqualTo(UrbStatus.CANCELLED);
      }
      assertThat(host.usb.submitted()).isEqualTo(UsbSession.SLOTS);
      host.usb.report(new byte[] {1});
      assertThat(Transfer.in(RecordingUsb.INTERRUPT_IN, 8).to(device).await())
          .isEqualTo(UrbStatus.OK);
    }
  }

  /** The device has done it and has the data no more: it comes over the next connection. */
  @Test
  void whatEndsWhileTheLinkIsDownIsNotLost() throws Exception {
    try (CuttingProxy proxy = new CuttingProxy(host.port(), host.executor, 1)) {
      proxy.heal();
      UsbDevice device = openThrough(proxy, QUICK);
      Transfer in = Transfer.in(RecordingUsb.INTERRUPT_IN, 8).to(device);
      Transfer other = Transfer.in(RecordingUsb.INTERRUPT_IN, 8).to(device);
      Waiting.until("both are there", () -> host.usb.waiting() == 2);
      proxy.block(true);
      Waiting.until("the server has noticed", () -> host.from("stick").isEmpty());
      host.usb.report(new byte[] {1, 2, 3});
      Waiting.until("it has ended", () -> host.usb.waiting() == 1);
      device.unlink(other.urb);
      assertThat(in.ended).isNotDone();
      assertThat(device.port().plugged()).isPresent();
      proxy.block(false);
      assertThat(in.await()).isEqualTo(UrbStatus.OK);
      assertThat(in.data()).containsExactly(1, 2, 3);
      assertThat(other.await()).isEqualTo(UrbStatus.CANCELLED);
      assertThat(host.usb.submitted()).isEqualTo(2);
      device.close();
    }
  }

  /** Whose thread sends the replies. */
  @Test
  void theDeviceCompletesOnTheEventLoopOfTheNewestConnection() throws Exception {
    try (CuttingProxy proxy = new CuttingProxy(host.port(), host.executor, 1)) {
      proxy.heal();
      UsbDevice device = openThrough(proxy, QUICK);
      assertThat(host.usb.loops()).hasSize(1);
      proxy.block(true);
      Waiting.until("the server has noticed", () -> host.from("stick").isEmpty());
      proxy.block(false);
      Waiting.until("it is back", () -> host.usb.loops().size() == 2);
      assertThat(host.usb.loops()).doesNotHaveDuplicates();
      device.close();
    }
  }

  /** Their slots are in another order by then. */
  @Test
  void whatEndsWhileTheLinkIsDownComesInItsOrder() throws Exception {
    try (CuttingProxy proxy = new CuttingProxy(host.port(), host.executor, 1)) {
      proxy.heal();
      UsbDevice device = openThrough(proxy, QUICK);
      List<Integer> ended = new CopyOnWriteArrayList<>();
      List<Transfer> all = new ArrayList<>();
      int count = UsbSession.SLOTS + 5;
      for (int i = 0; i < count; i++) {
        int number = i;
        if (i >= UsbSession.SLOTS) { // in the slot of the oldest one
          host.usb.report(new byte[] {1});
          assertThat(all.get(i - UsbSession.SLOTS).await()).isEqualTo(UrbStatus.OK);
        }
        Transfer transfer = Transfer.in(RecordingUsb.INTERRUPT_IN, 8);
        device.submit(
            transfer.urb,
            1,
            urb -> {
              ended.add(number); // before whoever waits for it goes on
              transfer.complete(urb);
            });
        all.add(transfer);
      }
      Waiting.until("slots are full", () -> host.usb.waiting() == UsbSession.SLOTS);
      proxy.block(true);
      Waiting.until("the server has noticed", () -> host.from("stick").isEmpty());
      for (int i = 0; i < UsbSession.SLOTS; i++) {
        host.usb.report(new byte[] {1});
      }
      Waiting.until("all have ended", () -> host.usb.waiting() == 0);
      proxy.block(false);
      for (Transfer each : all) {
        assertThat(each.await()).isEqualTo(UrbStatus.OK);
      }
      assertThat(ended).isSorted().hasSize(count);
      device.close();
    }
  }

  @Test
  void whoWaitsTooLongGetsErrorsUntilTheServerIsBack() throws Exception {
    try (CuttingProxy proxy = new CuttingProxy(host.port(), host.executor, 1)) {
      proxy.heal();
      UsbDevice device = openThrough(proxy, QUICK.withGiveUp(Optional.of(Duration.ofMillis(1))));
      Transfer in = Transfer.in(RecordingUsb.INTERRUPT_IN, 8).to(device);
      Waiting.until("it is there", () -> host.usb.waiting() == 1);
      proxy.block(true);
      assertThat(in.await()).isEqualTo(UrbStatus.PROTOCOL);
      assertThat(Transfer.out(RecordingUsb.BULK_OUT, 1, 8).to(device).await())
          .isEqualTo(UrbStatus.PROTOCOL);
      assertThat(device.port().plugged()).isPresent();
      proxy.block(false);
      Waiting.until("it is back", () -> device.problem().isEmpty());
      assertThat(Transfer.out(RecordingUsb.BULK_OUT, 2, 8).to(device).await())
          .isEqualTo(UrbStatus.OK);
      // What nobody waits for any more was unlinked at the device.
      assertThat(host.usb.waiting()).isZero();
      device.close();
    }
  }

  @Test
  void anotherLifeOfTheServerKnowsNoOutcome() throws Exception {
    UsbDevice device = host.openUsb(USER, 1);
    List<String> told = new CopyOnWriteArrayList<>();
    device.listen(() -> told.add(device.port().plugged().isPresent() ? "plugged" : "empty"));
    host.usb.hold(true);
    Transfer out = Transfer.out(RecordingUsb.BULK_OUT, 1, 8).to(device);
    Waiting.until("it is there", () -> host.usb.waiting() == 1);
    host.stop();
    Waiting.until("the client has noticed", () -> device.problem().isPresent());
    Transfer never = Transfer.out(RecordingUsb.BULK_OUT, 2, 8).to(device);
    host.usb.hold(false);
    host.start();
    assertThat(out.await()).isEqualTo(UrbStatus.PROTOCOL);
    assertThat(never.await()).isEqualTo(UrbStatus.OK);
    assertThat(host.usb.written(RecordingUsb.BULK_OUT)).containsExactly(2L);
    assertThat(told).containsExactly("plugged");
    assertThat(device.port().incarnation()).isEqualTo(1);
    device.close();
  }

  @Test
  void anotherDeviceAfterARestartOfTheServerIsAnotherDevice() throws Exception {
    UsbDevice device = host.openUsb(USER, 1);
    List<Integer> told = new CopyOnWriteArrayList<>();
    device.listen(() -> told.add(device.port().incarnation()));
    host.stop();
    Waiting.until("the client has noticed", () -> device.problem().isPresent());
    host.usb.plug("NC43");
    Transfer old = Transfer.out(RecordingUsb.BULK_OUT, 1, 8).to(device, 1);
    host.start();
    assertThat(old.await()).isEqualTo(UrbStatus.NO_DEVICE);
    Waiting.until("it is told", () -> told.size() == 2);
    assertThat(told).containsExactly(1, 2);
    assertThat(device.port().plugged().orElseThrow().serial()).contains("NC43");
    assertThat(Transfer.out(RecordingUsb.BULK_OUT, 2, 8).to(device, 1).await())
        .isEqualTo(UrbStatus.NO_DEVICE);
    assertThat(Transfer.out(RecordingUsb.BULK_OUT, 3, 8).to(device, 2).await())
        .isEqualTo(UrbStatus.OK);
    assertThat(host.usb.written(RecordingUsb.BULK_OUT)).containsExactly(3L);
    device.close();
  }

  @Test
  void whatIsUnpluggedIsToldAfterItsUrbs() throws Exception {
    UsbDevice device = host.openUsb(USER, 1);
    List<String> order = new CopyOnWriteArrayList<>();
    device.listen(
        () -> order.add(device.port().incarnation() + " " + device.port().plugged().isPresent()));
    int urbs = UsbSession.SLOTS + 2; // of which two wait
    for (int i = 0; i < urbs; i++) {
      Transfer in = Transfer.in(RecordingUsb.INTERRUPT_IN, 8);
      device.submit(in.urb, 1, urb -> order.add(urb.status().toString()));
    }
    Waiting.until("slots are full", () -> host.usb.waiting() == UsbSession.SLOTS);
    host.usb.unplug();
    Waiting.until("it is told", () -> order.size() == urbs + 2);
    assertThat(order).first().isEqualTo("1 true");
    assertThat(order).last().isEqualTo("1 false");
    assertThat(order.subList(1, urbs + 1)).containsOnly("NO_DEVICE");
    assertThat(Transfer.out(RecordingUsb.BULK_OUT, 1, 8).to(device).await())
        .isEqualTo(UrbStatus.NO_DEVICE);
    host.usb.plug("NC42");
    Waiting.until("it is told", () -> order.size() == urbs + 3);
    assertThat(order.get(urbs + 2)).isEqualTo("2 true");
    assertThat(Transfer.out(RecordingUsb.BULK_OUT, 2, 8).to(device, 1).await())
        .isEqualTo(UrbStatus.NO_DEVICE);
    assertThat(Transfer.out(RecordingUsb.BULK_OUT, 3, 8).to(device, 2).await())
        .isEqualTo(UrbStatus.OK);
    assertThat(host.usb.written(RecordingUsb.BULK_OUT)).containsExactly(3L);
    device.close();
  }

  @Test
  void aConfigurationIsToldBeforeItsRequestEnds() throws Exception {
    try (UsbDevice device = host.openUsb(USER, 1)) {
      AtomicInteger told = new AtomicInteger();
      device.listen(told::incrementAndGet);
      assertThat(Transfer.control(0x0000_0000_0002_0900L, 0).to(device).await())
          .isEqualTo(UrbStatus.OK);
      assertThat(device.port().plugged().orElseThrow().configuration()).isEqualTo(2);
      assertThat(told).hasValue(1); // nothing was plugged
    }
  }

  @Test
  void aNewerGenerationHasWhatItListsAndTheRestIsUnlinked() throws Exception {
    UsbDevice before = host.openUsb(USER, 1);
    Transfer kept = Transfer.in(RecordingUsb.INTERRUPT_IN, 8).to(before);
    Transfer other = Transfer.in(RecordingUsb.INTERRUPT_IN, 8).to(before);
    Waiting.until("both are there", () -> host.usb.waiting() == 2);
    Map<Urb, RequestName> custody = before.custody().orElseThrow().join();
    assertThat(custody).containsOnlyKeys(kept.urb, other.urb);
    before.relinquish();
    UsbDevice after =
        host.openUsb(USER, 2, ImmutableSet.of(custody.get(kept.urb)), host.port(), QUICK);
    assertThat(kept.await()).isEqualTo(UrbStatus.PROTOCOL);
    Waiting.until("the rest is unlinked", () -> host.usb.waiting() == 1);
    Transfer taken = Transfer.in(RecordingUsb.INTERRUPT_IN, 8);
    assertThat(after.takeUp(custody.get(kept.urb), taken.urb, taken::complete)).isTrue();
    assertThat(after.takeUp(custody.get(kept.urb), taken.urb, taken::complete)).isFalse();
    assertThat(after.takeUp(custody.get(other.urb), other.urb, other::complete)).isFalse();
    host.usb.report(new byte[] {5});
    assertThat(taken.await()).isEqualTo(UrbStatus.OK);
    assertThat(taken.data()).containsExactly(5);
    assertThat(host.usb.submitted()).isEqualTo(2);
    before.close();
    after.close();
  }

  /** It ended between the generations, or before it is taken up: its data waits. */
  @Test
  void theDataOfWhatEndedBetweenTheGenerationsIsKept() throws Exception {
    UsbDevice before = host.openUsb(USER, 1);
    Transfer kept = Transfer.in(RecordingUsb.INTERRUPT_IN, 8).to(before);
    Waiting.until("it is there", () -> host.usb.waiting() == 1);
    Map<Urb, RequestName> custody = before.custody().orElseThrow().join();
    before.relinquish();
    before.keepPlace();
    before.close();
    Waiting.until("it is away", () -> host.from("stick").isEmpty());
    host.usb.report(new byte[] {6, 7});
    Waiting.until("it has ended", () -> host.usb.waiting() == 0);
    UsbDevice after =
        host.openUsb(USER, 2, ImmutableSet.copyOf(custody.values()), host.port(), QUICK);
    Waiting.until("answered", () -> host.allAnswered("stick"));
    Transfer taken = Transfer.in(RecordingUsb.INTERRUPT_IN, 8);
    assertThat(after.takeUp(custody.get(kept.urb), taken.urb, taken::complete)).isTrue();
    assertThat(taken.await()).isEqualTo(UrbStatus.OK);
    assertThat(taken.data()).containsExactly(6, 7);
    after.close();
  }

  /** What has arrived of it by then is not in the new owner's memory. */
  @Test
  void theDataOfWhatIsTakenUpWhileItArrivesIsKept() throws Exception {
    try (CuttingProxy proxy = new CuttingProxy(host.port(), host.executor, 1)) {
      proxy.heal();
      UsbDevice before = host.openUsb(USER, 1);
      Transfer kept = Transfer.in(RecordingUsb.INTERRUPT_IN, 65536).to(before);
      Waiting.until("it is there", () -> host.usb.waiting() == 1);
      Map<Urb, RequestName> custody = before.custody().orElseThrow().join();
      before.relinquish();
      before.keepPlace();
      before.close();
      UsbDevice after =
          host.openUsb(USER, 2, ImmutableSet.copyOf(custody.values()), proxy.port(), QUICK);
      proxy.hold(20_000); // the first of the records of its reply, and a part of the second
      host.usb.report(stream(7, 60_000));
      Waiting.until("that much is through", proxy::isHeldUp);
      for (long number = 0; number < 3; number++) { // so the client has looked at what came
        long last = number;
        Transfer.out(RecordingUsb.BULK_OUT, number, 8).to(after);
        Waiting.until(
            "the client has sent", () -> host.usb.written(RecordingUsb.BULK_OUT).contains(last));
      }
      Transfer taken = Transfer.in(RecordingUsb.INTERRUPT_IN, 65536);
      assertThat(after.takeUp(custody.get(kept.urb), taken.urb, taken::complete)).isTrue();
      Transfer.out(RecordingUsb.BULK_OUT, 3, 8).to(after);
      Waiting.until("it is taken up", () -> host.usb.written(RecordingUsb.BULK_OUT).contains(3L));
      proxy.goOn();
      assertThat(taken.await()).isEqualTo(UrbStatus.OK);
      assertThat(taken.data()).isEqualTo(stream(7, 60_000));
      after.close();
    }
  }

  /** It may have been done: whoever goes on must not do it again. */
  @Test
  void aRestartOfTheServerBetweenTheGenerationsIsAnError() throws Exception {
    UsbDevice before = host.openUsb(USER, 1);
    host.usb.hold(true);
    Transfer out = Transfer.out(RecordingUsb.BULK_OUT, 1, 8).to(before);
    Waiting.until("it is there", () -> host.usb.waiting() == 1);
    RequestName name = before.custody().orElseThrow().join().get(out.urb);
    before.relinquish();
    before.keepPlace();
    before.close();
    host.stop();
    host.usb.hold(false);
    host.start();
    UsbDevice after = host.openUsb(USER, 2, ImmutableSet.of(name), host.port(), QUICK);
    Transfer taken = Transfer.out(RecordingUsb.BULK_OUT, 1, 8);
    assertThat(after.takeUp(name, taken.urb, taken::complete)).isTrue();
    assertThat(taken.await()).isEqualTo(UrbStatus.PROTOCOL);
    after.close();
  }

  @Test
  void anOlderGenerationIsShutOut() throws Exception {
    UsbDevice before = host.openUsb(USER, 1);
    UsbDevice after = host.openUsb(USER, 2);
    assertThat(Transfer.out(RecordingUsb.BULK_OUT, 1, 8).to(before).await())
        .isEqualTo(UrbStatus.PROTOCOL);
    assertThatThrownBy(() -> host.openUsb(USER, 1))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("generation 1 of 6b0f/usb0 is over");
    assertThatThrownBy(() -> host.openUsb("another/usb0", 5))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("export stick is in use by 6b0f/usb0, generation 2");
    assertThat(Transfer.out(RecordingUsb.BULK_OUT, 2, 8).to(after).await()).isEqualTo(UrbStatus.OK);
    assertThat(host.usb.written(RecordingUsb.BULK_OUT)).containsExactly(2L);
    before.close();
    after.close();
  }

  @Test
  void whoComesForTheWrongKindIsToldSo() throws Exception {
    assertThatThrownBy(() -> host.open(host.source("stick"), ServerHarness.as("x/xvda", 1)))
        .hasMessageContaining("export stick is a USB device here, and not a disk");
    String disk = "netchannel://127.0.0.1:" + host.port() + "/usb/" + ServerHarness.EXPORT;
    UsbOpenOptions options = UsbOpenOptions.of(new UsbOpenOptions.User(USER, 1));
    assertThatThrownBy(() -> host.openUsb(options, disk, QUICK))
        .hasMessageContaining("export vol7 is a disk here, and not a USB device");
    assertThatThrownBy(() -> host.openUsb(options, host.source("stick"), QUICK))
        .hasMessageContaining("expected usb/NAME after the host of a USB device");
    assertThatThrownBy(
            () ->
                host.usbOpener("stranger", QUICK)
                    .open("netchannel://127.0.0.1:" + host.port() + "/usb/stick", options))
        .hasMessageContaining("export stick is not for a client with a certificate for");
  }

  @Test
  void anOlderServerHasNoUsbDevices() throws Exception {
    try (VersionedServer old = new VersionedServer(directory.resolve("old.sock"), 4)) {
      assertThatThrownBy(
              () ->
                  host.openUsb(
                      UsbOpenOptions.of(new UsbOpenOptions.User(USER, 1)),
                      "netchannel+unix:///usb/stick?socket=" + directory.resolve("old.sock"),
                      QUICK))
          .isInstanceOf(DeviceException.class)
          .hasMessageContaining("version 4 of the protocol) and has no USB devices");
      assertThat(old.arrived).isEmpty();
    }
  }

  /** The host itself may be using it: a stick that is mounted. */
  @Test
  void aLookAtWhatNobodyHasTakesItFromNobody() throws Exception {
    String source = "netchannel+unix:///usb/stick?socket=" + host.socket;
    try (UsbDevice look = host.openUsb(UsbOpenOptions.PROBE, source, QUICK)) {
      assertThat(look.port().plugged()).isPresent();
    }
    assertThat(host.usb.opens()).isZero();
  }

  /** A driver that found a stick between two lives of the server would change it. */
  @Test
  void theHostsDriversGetItBackWhenItIsFreeAndNotWhileTheServerIsRestarted() throws Exception {
    try (UsbDevice device = host.openUsb(USER, 1)) {
      host.stop();
      assertThat(host.usb.givenBack()).isZero();
      host.start();
      assertThat(Transfer.out(RecordingUsb.BULK_OUT, 1, 8).to(device).await())
          .isEqualTo(UrbStatus.OK);
    }
    assertThat(host.usb.givenBack()).isEqualTo(1);
  }

  @Test
  void aLookSeesWhatIsThereAndDisturbsNobody() throws Exception {
    String plain = "netchannel://127.0.0.1:" + host.port() + "/usb/stick";
    host.openUsb(UsbOpenOptions.PROBE, plain, QUICK).close();
    assertThat(host.usb.opens()).isZero(); // this host's own use of it goes on
    UsbDevice user = host.openUsb(USER, 3);
    String source = "netchannel+unix:///usb/stick?socket=" + host.socket;
    try (UsbDevice look = host.openUsb(UsbOpenOptions.PROBE, source, QUICK)) {
      assertThat(look.port()).isEqualTo(user.port());
      assertThat(Transfer.out(RecordingUsb.BULK_OUT, 1, 8).to(look).await())
          .isEqualTo(UrbStatus.NO_DEVICE);
    }
    assertThat(host.usbOpener("hosta", QUICK).newestGeneration(source, USER)).isEqualTo(3);
    assertThat(Transfer.out(RecordingUsb.BULK_OUT, 2, 8).to(user).await()).isEqualTo(UrbStatus.OK);
    user.close();
    assertThat(user.isGivenFree()).isTrue();
  }

  /** As much as the slots hold, again and again, of a budget that is just enough for that. */
  @Test
  void whatIsKeptIsWithinTheBudget(@TempDir Path another) throws Exception {
    try (ServerHarness small =
            new ServerHarness(another, 2, ServerLimits.DEFAULT, SMALL_BUDGET_BYTES).withUsb();
        UsbDevice device = small.openUsb(USER, 1)) {
      for (int round = 0; round < 20; round++) {
        List<Transfer> all = new ArrayList<>();
        for (int i = 0; i < 2 * UsbSession.SLOTS; i++) {
          all.add(
              i % 2 == 0
                  ? Transfer.in(RecordingUsb.BULK_IN, 65536).to(device)
                  : Transfer.out(RecordingUsb.BULK_OUT, round * 100L + i, 65536).to(device));
        }
        for (Transfer each : all) {
          assertThat(each.await()).isEqualTo(UrbStatus.OK);
        }
      }
      assertThat(small.usb.written(RecordingUsb.BULK_OUT))
          .isSorted()
          .hasSize(20 * UsbSession.SLOTS)
          .doesNotHaveDuplicates();
      assertThat(small.usb.streamed()).isPositive();
    }
  }

  @ParameterizedTest
  @CsvSource({
    "16, 9, 0x81, expected a URB in slots 0 to 15",
    "0, 0, 0x81, expected a sequence from 1 on",
  })
  void aUrbThatBreaksARuleEndsTheConnection(int slot, long sequence, int endpoint, String why)
      throws Exception {
    try (RawClient client = attached()) {
      client.send(
          new FrameHeader().urb(slot, sequence, UrbFormat.BULK, endpoint, false, 0, 0, 1, 8));
      assertThat(client.expectRefusal(Refusal.PROTOCOL).text()).contains(why);
    }
    assertThat(host.usb.submitted()).isZero();
  }

  @Test
  void packetsThatAreNotTheirDataEndTheConnection() throws Exception {
    try (RawClient client = attached()) {
      ByteBuf out = Unpooled.buffer();
      new FrameHeader().urb(0, 1, UrbFormat.ISOCHRONOUS, 0x83, false, 1, 2, 1, 20).encode(out);
      client.send(out.writeShort(10).writeShort(11));
      assertThat(client.expectRefusal(Refusal.PROTOCOL).text())
          .contains("expected packets of 20 bytes together");
    }
    assertThat(host.usb.submitted()).isZero();
  }

  @Test
  void aSlotThatIsTakenEndsTheConnection() throws Exception {
    try (RawClient client = attached()) {
      client.send(inUrb(0, 1, RecordingUsb.INTERRUPT_IN));
      Waiting.until("it is there", () -> host.usb.waiting() == 1);
      client.send(inUrb(0, 2, RecordingUsb.INTERRUPT_IN));
      assertThat(client.expectRefusal(Refusal.PROTOCOL).text()).contains("expected a free slot");
    }
  }

  @Test
  void requestsOfADiskEndTheConnection() throws Exception {
    for (FrameType type : new FrameType[] {FrameType.READ, FrameType.FLUSH}) {
      try (RawClient client = attached()) {
        client.request(type, 0, 1, 0, type == FrameType.READ ? 512 : 0);
        assertThat(client.expectRefusal(Refusal.PROTOCOL).text()).contains("expected a URB");
      }
    }
    try (RawClient client = attached()) {
      client.send(new FrameHeader().note(FrameType.ARRIVED, 1, 0));
      client.expectRefusal(Refusal.PROTOCOL);
    }
    try (RawClient client = host.raw()) {
      client.attach(1);
      client.send(inUrb(0, 1, RecordingUsb.BULK_IN));
      assertThat(client.expectRefusal(Refusal.PROTOCOL).text())
          .contains("expected a request of a disk");
    }
  }

  /** Also where the first of them is one that may have set something. */
  @Test
  void thatItIsUnpluggedIsToldAfterTheRepliesOfAllItsUrbs() throws Exception {
    try (RawClient client = attached()) {
      host.usb.hold(true);
      client.send(new FrameHeader().controlUrb(0, 1, 0x0001_0900L, 1, 0));
      client.send(inUrb(1, 2, RecordingUsb.INTERRUPT_IN));
      Waiting.until("both are there", () -> host.usb.waiting() == 2);
      host.usb.unplug();
      assertThat(client.expect(FrameType.URB_REPLY).sequence()).isEqualTo(1);
      assertThat(client.expect(FrameType.URB_REPLY).sequence()).isEqualTo(2);
      client.expect(FrameType.PORT);
    }
  }

  /** Its server has looked at the port since, and has told nothing of it. */
  private static void awaitLookAtPort(RawClient client) throws Exception {
    for (int i = 0; i < 2; i++) { // the first may be read before the port is looked at
      client.control(FrameType.PING);
      client.expect(FrameType.PONG);
    }
  }

  /** As one may be that was on its way when the device went: nobody tells the port again. */
  @Test
  void thatItIsUnpluggedWaitsForTheReplyOfAUrbThatCameLate() throws Exception {
    try (RawClient client = attached()) {
      host.usb.hold(true);
      awaitLookAtPort(client); // of the beginning
      host.usb.unplugUntold();
      client.send(inUrb(0, 1, RecordingUsb.INTERRUPT_IN));
      Waiting.until("it has come", () -> host.usb.submitted() == 1);
      host.usb.tellPort();
      awaitLookAtPort(client);
      host.usb.hold(false);
      assertThat(client.expect(FrameType.URB_REPLY).sequence()).isEqualTo(1);
      client.expect(FrameType.PORT);
    }
  }

  /** What it lists that the server never had; what it does not list that the server has. */
  @Test
  void theFatesOfUrbs() throws Exception {
    RawClient first = attached();
    first.send(inUrb(3, 1, RecordingUsb.INTERRUPT_IN));
    first.send(inUrb(4, 2, RecordingUsb.INTERRUPT_IN));
    Waiting.until("both are there", () -> host.usb.waiting() == 2);
    host.usb.report(new byte[] {4});
    assertThat(first.expect(FrameType.URB_REPLY).sequence()).isEqualTo(1);
    try (RawClient again = host.raw()) {
      Attach attach =
          Attach.session(
                  "stick",
                  USER,
                  1,
                  false,
                  ImmutableList.of(
                      new Attach.Unanswered(3, 1),
                      new Attach.Unanswered(4, 2),
                      new Attach.Unanswered(5, 3)))
              .asUsb();
      Attached attached =
          Attached.decode(again.ask(attach).expect(FrameType.ATTACHED).payload(), ExportKind.USB);
      assertThat(attached.fates()).containsExactly(Fate.RUNNING, Fate.RUNNING, Fate.UNKNOWN);
      assertThat(attached.usb().fresh()).isFalse();
      RawClient.Frame kept = again.expect(FrameType.URB_REPLY);
      assertThat(kept.sequence()).isEqualTo(1);
      assertThat(ByteBufUtil.getBytes(kept.payload())).containsExactly(4);
      again.send(new FrameHeader().urbOrder(FrameType.UNLINK, 4, 2));
      assertThat(again.expect(FrameType.URB_REPLY).status()).isEqualTo(104);
      again.send(new FrameHeader().urbOrder(FrameType.UNLINK, 4, 2)); // nothing
      again.control(FrameType.PING);
      again.expect(FrameType.PONG);
    }
    first.close();
  }

  private RawClient attached() throws Exception {
    RawClient client = host.raw();
    client
        .ask(Attach.session("stick", USER, 1, false, ImmutableList.of()).asUsb())
        .expect(FrameType.ATTACHED);
    return client;
  }

  private static FrameHeader inUrb(int slot, long sequence, int endpoint) {
    return new FrameHeader().urb(slot, sequence, UrbFormat.INTERRUPT, endpoint, false, 8, 0, 1, 8);
  }

  private UsbDevice openThrough(CuttingProxy proxy, RemoteOptions patience) throws Exception {
    return host.openUsb(USER, 1, ImmutableSet.of(), proxy.port(), patience);
  }
}
