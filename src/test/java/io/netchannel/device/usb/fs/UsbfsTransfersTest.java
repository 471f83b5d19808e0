package io.netchannel.device.usb.fs;

import static io.netchannel.device.usb.fs.TestUrbs.bulk;
import static io.netchannel.device.usb.fs.TestUrbs.bulkOut;
import static io.netchannel.device.usb.fs.TestUrbs.control;
import static io.netchannel.device.usb.fs.TestUrbs.interrupt;
import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.jna.Native;
import com.sun.jna.Pointer;
import com.sun.management.ThreadMXBean;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A URB on its way into the kernel and back. */
@Timeout(30)
final class UsbfsTransfersTest {
  @TempDir private Path directory;
  private UsbfsRig rig;
  private ScriptedUsbfs usbfs;

  @BeforeEach
  void open() throws Exception {
    rig = new UsbfsRig(directory);
    usbfs = rig.usual();
  }

  @AfterEach
  void close() {
    rig.close();
  }

  @Test
  void aControlTransferInHasItsSetupFirst() {
    CompletableFuture<Urb> outcome = rig.submit(control(0xc0, 3, 0x1234, 0x5678, 16));
    Pointer urb = usbfs.awaitSubmitted();
    assertThat(urb.getByte(UsbfsLayout.TYPE)).isEqualTo(UsbfsLayout.TYPE_CONTROL);
    assertThat(urb.getByte(UsbfsLayout.ENDPOINT)).isZero();
    assertThat(urb.getInt(UsbfsLayout.BUFFER_LENGTH)).isEqualTo(8 + 16);
    assertThat(ScriptedUsbfs.data(urb).getByteArray(0, 8))
        .containsExactly(0xc0, 3, 0x34, 0x12, 0x78, 0x56, 16, 0);
    ScriptedUsbfs.data(urb).write(8, "answer".getBytes(US_ASCII), 0, 6);
    usbfs.complete(urb, 0, 6);
    assertThat(outcome.join().status()).isEqualTo(UrbStatus.OK);
    assertThat(TestUrbs.text(outcome.join())).isEqualTo("answer");
  }

  @Test
  void aControlTransferOutCarriesItsData() {
    Urb out = new Urb();
    out.control(TestUrbs.setup(0x21, 9, 0x200, 0, 3), TestUrbs.direct("xyz"));
    CompletableFuture<Urb> outcome = rig.submit(out);
    Pointer urb = usbfs.awaitSubmitted();
    assertThat(new String(ScriptedUsbfs.bytes(urb), US_ASCII)).endsWith("xyz");
    usbfs.complete(urb, 0, 3);
    assertThat(outcome.join().actualBytes()).isEqualTo(3);
  }

  /** The kernel goes by wLength, and would refuse it or read beyond. */
  @Test
  void aControlTransferWithLessDataThanItSaysIsRefused() {
    Urb urb = new Urb();
    urb.control(TestUrbs.setup(0x80, 6, 0x100, 0, 64), ByteBuffer.allocateDirect(8));
    assertThat(rig.submit(urb).join().status()).isEqualTo(UrbStatus.INVALID);
    assertThat(usbfs.submittedCount()).isZero();
  }

  @Test
  void dataGoesWhereItIs() {
    ByteBuffer data = ByteBuffer.allocateDirect(4096).position(512).limit(1024);
    Urb in = new Urb();
    in.bulk(TestDescriptors.BULK_IN, data, true);
    CompletableFuture<Urb> outcome = rig.submit(in);
    Pointer urb = usbfs.awaitSubmitted();
    assertThat(urb.getByte(UsbfsLayout.TYPE)).isEqualTo(UsbfsLayout.TYPE_BULK);
    assertThat(urb.getByte(UsbfsLayout.ENDPOINT)).isEqualTo((byte) TestDescriptors.BULK_IN);
    assertThat(urb.getInt(UsbfsLayout.FLAGS)).isEqualTo(UsbfsLayout.FLAG_SHORT_NOT_OK);
    assertThat(urb.getInt(UsbfsLayout.BUFFER_LENGTH)).isEqualTo(512);
    assertThat(Pointer.nativeValue(ScriptedUsbfs.data(urb)))
        .isEqualTo(Pointer.nativeValue(Native.getDirectBufferPointer(data)) + 512);
    usbfs.complete(urb, -Errno.EREMOTEIO, 13);
    assertThat(outcome.join().status()).isEqualTo(UrbStatus.SHORT);
    assertThat(in.actualBytes()).isEqualTo(13);
    assertThat(data.position()).isEqualTo(512);
  }

  private static Urb part() {
    Urb part = new Urb();
    part.bulk(TestDescriptors.BULK_IN, ByteBuffer.allocateDirect(4096), true);
    return part;
  }

  /** What comes after the data of a stick that has less is the status of its command. */
  @ParameterizedTest
  @CsvSource({"-121, SHORT", "-32, STALL"})
  void whatFollowsAShortPartOfATransferTakesNothing(int status, UrbStatus expected) {
    CompletableFuture<Urb> first = rig.submit(part());
    CompletableFuture<Urb> second = rig.submit(part());
    CompletableFuture<Urb> third = rig.submit(part());
    var unused = rig.submit(bulkOut(TestDescriptors.BULK_OUT, "others do not wait"));
    usbfs.complete(usbfs.awaitSubmitted(2)[0], status, 100);
    assertThat(first.join().actualBytes()).isEqualTo(100);
    assertThat(second.join().status()).isEqualTo(expected);
    assertThat(third.join().status()).isEqualTo(expected);
    assertThat(third.join().actualBytes()).isZero();
    CompletableFuture<Urb> after = rig.submit(bulk(TestDescriptors.BULK_IN, 13));
    Pointer urb = usbfs.awaitSubmitted(2)[1];
    assertThat(urb.getInt(UsbfsLayout.BUFFER_LENGTH)).isEqualTo(13);
    usbfs.complete(urb, 0, 13);
    assertThat(after.join().actualBytes()).isEqualTo(13);
  }

  @Test
  void whatFollowsAWholePartOfATransferGoesOn() {
    CompletableFuture<Urb> first = rig.submit(part());
    Urb next = part();
    CompletableFuture<Urb> second = rig.submit(next);
    CompletableFuture<Urb> last = rig.submit(bulk(TestDescriptors.BULK_IN, 13));
    assertThat(usbfs.submittedCount()).isEqualTo(1);
    usbfs.complete(usbfs.awaitSubmitted(), 0, 4096);
    assertThat(first.join().status()).isEqualTo(UrbStatus.OK);
    assertThat(usbfs.awaitSubmitted().getInt(UsbfsLayout.BUFFER_LENGTH)).isEqualTo(4096);
    rig.device().unlink(next);
    assertThat(second.join().status()).isEqualTo(UrbStatus.CANCELLED);
    usbfs.complete(usbfs.awaitSubmitted(), 0, 13);
    assertThat(last.join().status()).isEqualTo(UrbStatus.OK);
  }

  @ParameterizedTest
  @CsvSource({
    "0, OK",
    "-2, NO_DEVICE",
    "-18, MISSED_FRAME",
    "-19, NO_DEVICE",
    "-22, INVALID",
    "-32, STALL",
    "-62, PROTOCOL",
    "-71, PROTOCOL",
    "-75, OVERFLOW",
    "-84, PROTOCOL",
    "-108, NO_DEVICE",
    "-121, SHORT"
  })
  void theKernelsNumbersAreTold(int status, UrbStatus expected) {
    CompletableFuture<Urb> outcome = rig.submit(interrupt(TestDescriptors.INTERRUPT_IN, 8));
    Pointer urb = usbfs.awaitSubmitted();
    assertThat(urb.getByte(UsbfsLayout.TYPE)).isEqualTo(UsbfsLayout.TYPE_INTERRUPT);
    usbfs.complete(urb, status, 0);
    assertThat(outcome.join().status()).isEqualTo(expected);
  }

  @ParameterizedTest
  @CsvSource({
    "19, NO_DEVICE",
    "22, INVALID",
    "2, STALL",
    "113, STALL",
    "28, PROTOCOL",
    "16, PROTOCOL"
  })
  void whatTheKernelRefusesIsToldLater(int errno, UrbStatus expected) {
    usbfs.submitGives(-errno);
    assertThat(rig.submit(bulk(TestDescriptors.BULK_IN, 8)).join().status()).isEqualTo(expected);
  }

  @Test
  void aWholeIsochronousTransferGoesAsSoonAsPossible() {
    Urb iso = new Urb();
    iso.isochronous(TestDescriptors.ISO_IN, ByteBuffer.allocateDirect(Urb.MAX_PACKETS * 8), 1);
    for (int i = 0; i < Urb.MAX_PACKETS; i++) {
      iso.addPacket(i * 8, 8);
    }
    assertThatThrownBy(() -> iso.addPacket(0, 8)).isInstanceOf(IllegalArgumentException.class);
    CompletableFuture<Urb> outcome = rig.submit(iso);
    Pointer urb = usbfs.awaitSubmitted();
    assertThat(urb.getByte(UsbfsLayout.TYPE)).isEqualTo(UsbfsLayout.TYPE_ISO);
    assertThat(urb.getInt(UsbfsLayout.FLAGS)).isEqualTo(UsbfsLayout.FLAG_ISO_ASAP);
    assertThat(urb.getInt(UsbfsLayout.NUMBER_OF_PACKETS)).isEqualTo(128);
    assertThat(urb.getInt(UsbfsLayout.BUFFER_LENGTH)).isEqualTo(1024);
    for (int i = 0; i < Urb.MAX_PACKETS; i++) {
      int at = UsbfsLayout.URB_BYTES + i * UsbfsLayout.PACKET_BYTES;
      assertThat(urb.getInt(at + UsbfsLayout.PACKET_LENGTH)).isEqualTo(8);
      urb.setInt(at + UsbfsLayout.PACKET_ACTUAL_LENGTH, i % 9);
      urb.setInt(at + UsbfsLayout.PACKET_STATUS, i == 5 ? -Errno.EXDEV : 0);
    }
    urb.setInt(UsbfsLayout.START_FRAME, 33);
    urb.setInt(UsbfsLayout.ERROR_COUNT, 1);
    usbfs.complete(urb, 0, 0);
    outcome.join();
    assertThat(iso.status()).isEqualTo(UrbStatus.OK);
    assertThat(iso.packetActualBytes(7)).isEqualTo(7);
    assertThat(iso.packetStatus(5)).isEqualTo(UrbStatus.MISSED_FRAME);
    assertThat(iso.actualBytes()).isEqualTo(14 * 36 + 0 + 1);
    assertThat(iso.startFrame()).isEqualTo(33);
    assertThat(iso.errorCount()).isEqualTo(1);
  }

  @Test
  void packetsThatAreNotOneAfterTheOtherAreGatheredAndSpread() {
    Urb out = new Urb();
    out.isochronous(0x04, TestUrbs.direct("aabbccdd"), 1);
    out.addPacket(6, 2);
    out.addPacket(0, 1);
    CompletableFuture<Urb> sent = rig.submit(out);
    Pointer first = usbfs.awaitSubmitted();
    assertThat(new String(ScriptedUsbfs.bytes(first), US_ASCII)).isEqualTo("dda");
    usbfs.complete(first, 0, 3);
    sent.join();

    Urb in = new Urb();
    in.isochronous(TestDescriptors.ISO_IN, TestUrbs.direct("........"), 1);
    in.addPacket(4, 3);
    in.addPacket(0, 3);
    CompletableFuture<Urb> came = rig.submit(in);
    Pointer second = usbfs.awaitSubmitted();
    ScriptedUsbfs.data(second).write(0, "ABCDEF".getBytes(US_ASCII), 0, 6);
    second.setInt(UsbfsLayout.URB_BYTES + UsbfsLayout.PACKET_ACTUAL_LENGTH, 2);
    second.setInt(
        UsbfsLayout.URB_BYTES + UsbfsLayout.PACKET_BYTES + UsbfsLayout.PACKET_ACTUAL_LENGTH, 3);
    usbfs.complete(second, 0, 5);
    came.join();
    byte[] data = new byte[8];
    in.data().get(0, data);
    assertThat(new String(data, US_ASCII)).isEqualTo("DEF.AB..");
  }

  @Test
  void packetsThatOverlapBeyondTheDataAreRefused() {
    Urb iso = new Urb();
    iso.isochronous(TestDescriptors.ISO_IN, ByteBuffer.allocateDirect(64), 1);
    iso.addPacket(0, 64);
    iso.addPacket(0, 64);
    assertThat(rig.submit(iso).join().status()).isEqualTo(UrbStatus.INVALID);
    Urb none = new Urb();
    none.isochronous(TestDescriptors.ISO_IN, ByteBuffer.allocateDirect(64), 1);
    assertThat(rig.submit(none).join().status()).isEqualTo(UrbStatus.INVALID);
    assertThat(usbfs.submittedCount()).isZero();
  }

  @Test
  void oneThatIsUnlinkedIsReapedWithWhatHadCome() {
    Urb parked = bulk(TestDescriptors.PARKED_IN, 64);
    CompletableFuture<Urb> outcome = rig.submit(parked);
    Pointer urb = usbfs.awaitSubmitted();
    usbfs.within("discard", () -> usbfs.complete(urb, -Errno.ENOENT, 5));
    usbfs.gives("discard", -1); // it is completed above
    rig.device().unlink(parked);
    assertThat(outcome.join().status()).isEqualTo(UrbStatus.CANCELLED);
    assertThat(parked.actualBytes()).isEqualTo(5);
    rig.device().unlink(parked); // done: nothing
    assertThat(parked.attachment()).isNull();
  }

  @Test
  void oneThatWasDoneWhenItIsUnlinkedKeepsItsOutcome() {
    Urb parked = bulk(TestDescriptors.PARKED_IN, 64);
    CompletableFuture<Urb> outcome = rig.submit(parked);
    Pointer urb = usbfs.awaitSubmitted();
    usbfs.gives("discard", -Errno.EINVAL);
    usbfs.within("discard", () -> usbfs.complete(urb, 0, 9));
    rig.device().unlink(parked);
    assertThat(outcome.join().status()).isEqualTo(UrbStatus.OK);
    assertThat(parked.actualBytes()).isEqualTo(9);
  }

  @Test
  void whatTheKernelHasNoMemoryForWaitsAndThatIsSaid() throws Exception {
    Files.writeString(rig.limit, "16\n");
    usbfs.submitGives(-Errno.ENOMEM);
    CompletableFuture<Urb> first = rig.submit(bulkOut(TestDescriptors.BULK_OUT, "one"));
    CompletableFuture<Urb> second = rig.submit(bulkOut(TestDescriptors.BULK_OUT, "two"));
    Urb given = bulk(TestDescriptors.BULK_IN, 512);
    CompletableFuture<Urb> givenUp = rig.submit(given);
    assertThat(rig.device().problem())
        .hasValueSatisfying(
            text ->
                assertThat(text)
                    .contains("no memory for a transfer of 3 bytes (ENOMEM)")
                    .contains("usbcore.usbfs_memory_mb=16 MiB, of which netchannel has 0 bytes")
                    .contains("echo 64 >"));
    rig.device().unlink(given);
    assertThat(givenUp.join().status()).isEqualTo(UrbStatus.CANCELLED);
    usbfs.submitGives(0);
    Pointer[] urbs = usbfs.awaitSubmitted(2);
    assertThat(new String(ScriptedUsbfs.bytes(urbs[0]), US_ASCII)).isEqualTo("one");
    assertThat(new String(ScriptedUsbfs.bytes(urbs[1]), US_ASCII)).isEqualTo("two");
    usbfs.complete(urbs[0], 0, 3);
    first.join(); // the device's thread has counted both, as it reaps after it has submitted
    assertThat(rig.memory.usedBytes()).isEqualTo(3);
    usbfs.complete(urbs[1], 0, 3);
    second.join();
    assertThat(rig.device().problem()).isEmpty();
    assertThat(rig.memory.usedBytes()).isZero();
  }

  @Test
  void noMoreThanTheBoundIsInTheKernelAndOthersWaitTheirTurn() {
    for (int i = 0; i < PluggedDevice.MAX_IN_KERNEL; i++) {
      var unused = rig.submit(bulk(TestDescriptors.PARKED_IN, 8));
    }
    CompletableFuture<Urb> last = rig.submit(bulk(TestDescriptors.BULK_IN, 64));
    Pointer[] urbs = usbfs.awaitSubmitted(PluggedDevice.MAX_IN_KERNEL);
    assertThat(usbfs.submittedCount()).isEqualTo(PluggedDevice.MAX_IN_KERNEL);
    usbfs.complete(urbs[0], 0, 0);
    Pointer next = usbfs.awaitSubmitted(PluggedDevice.MAX_IN_KERNEL)[31];
    assertThat(next.getInt(UsbfsLayout.BUFFER_LENGTH)).isEqualTo(64);
    assertThat(next).as("the struct is used again").isEqualTo(urbs[0]);
    usbfs.complete(next, 0, 64);
    assertThat(last.join().actualBytes()).isEqualTo(64);
  }

  @Test
  void aTransferAllocatesNothing() throws Exception {
    usbfs.setEcho();
    Thread reaper =
        Thread.getAllStackTraces().keySet().stream()
            .filter(each -> each.getName().equals("usb:port=3-1.2"))
            .findFirst()
            .orElseThrow();
    Urb urb = new Urb();
    ByteBuffer data = ByteBuffer.allocateDirect(512);
    Count done = new Count();
    UrbCompletion completion = each -> done.add();
    exchange(urb, data, done, completion, 4096);
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long own = threads.getCurrentThreadAllocatedBytes();
    long other = threads.getThreadAllocatedBytes(reaper.getId());
    int count = 16_384;
    exchange(urb, data, done, completion, count);
    long ownBytes = threads.getCurrentThreadAllocatedBytes() - own;
    long otherBytes = threads.getThreadAllocatedBytes(reaper.getId()) - other;
    assertThat((double) otherBytes / count).as("bytes a transfer, at the reaper").isLessThan(1);
    assertThat((double) ownBytes / count).as("bytes a transfer, where it is given").isLessThan(1);
  }

  /** Makes no object, as other things to wait with do. */
  private static final class Count {
    private int count;

    synchronized int get() {
      return count;
    }

    synchronized void add() {
      count++;
      notifyAll();
    }

    synchronized void await(int least) throws InterruptedException {
      while (count < least) {
        wait();
      }
    }
  }

  private void exchange(Urb urb, ByteBuffer data, Count done, UrbCompletion completion, int count)
      throws InterruptedException {
    int end = done.get() + count;
    for (int next = done.get() + 1; next <= end; next++) {
      if (next % 2 == 0) {
        urb.bulk(TestDescriptors.BULK_IN, data, false);
      } else {
        urb.control(TestUrbs.setup(0x80, 6, 0x100, 0, 18), data);
      }
      rig.device().submit(urb, 1, completion);
      done.await(next);
    }
  }
}
