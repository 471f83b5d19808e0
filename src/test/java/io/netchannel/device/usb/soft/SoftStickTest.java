package io.netchannel.device.usb.soft;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.BlockBuffers;
import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceOpener;
import io.netchannel.device.ForwardingDevice;
import io.netchannel.device.Outcome;
import io.netchannel.device.Requests;
import io.netchannel.device.filter.ErrorFilter;
import io.netchannel.device.usb.Transfer;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbHost;
import io.netchannel.device.usb.VirtualTime;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class SoftStickTest {
  private static final int IN = 0x81;
  private static final int OUT = 0x02;
  private static final int BLOCK_BYTES = 512;
  private static final int DISK_BYTES = 1 << 20;

  private static final int GOOD = 0;
  private static final int FAILED = 1;
  private static final int PHASE_ERROR = 2;

  @TempDir Path directory;
  private final VirtualTime time = new VirtualTime();
  private SoftPort port;
  private UsbHost host;
  private int tag = 100;

  @AfterEach
  void close() {
    port.close();
  }

  private void plug(Device storage) {
    port = new SoftPort(new SoftStick("4E4330303031", storage), time, time::nanoTime);
    host = new UsbHost(port, time);
    host.enumerate();
  }

  private void plugMemory() {
    plug(new MemoryStorage(DISK_BYTES));
  }

  private UrbStatus command(int bytes, boolean isIn, byte... command) {
    ByteBuffer block = ByteBuffer.allocate(31).order(ByteOrder.LITTLE_ENDIAN);
    block.putInt(0x43425355).putInt(++tag).putInt(bytes).put((byte) (isIn ? 0x80 : 0));
    block.put((byte) 0).put((byte) command.length).put(command);
    return host.submit(Transfer.bulk(OUT, block.array())).status();
  }

  /** The status of a command and what it has left, as the host reads it. */
  private long[] status() {
    Transfer read = host.submit(Transfer.bulk(IN, new byte[13]));
    ByteBuffer status = ByteBuffer.wrap(read.data()).order(ByteOrder.LITTLE_ENDIAN);
    assertThat(status.remaining()).isEqualTo(13);
    assertThat(status.getInt(0)).isEqualTo(0x53425355);
    assertThat(status.getInt(4)).isEqualTo(tag);
    return new long[] {status.get(12), status.getInt(8)};
  }

  private byte[] ask(int bytes, byte... command) {
    assertThat(command(bytes, true, command)).isEqualTo(UrbStatus.OK);
    byte[] answer = host.submit(Transfer.bulk(IN, new byte[bytes])).data();
    assertThat(status()).containsExactly(GOOD, bytes - answer.length);
    return answer;
  }

  private static byte[] transfer(int operation, int block, int blocks) {
    return ByteBuffer.allocate(10)
        .put((byte) operation)
        .put((byte) 0)
        .putInt(block)
        .put((byte) 0)
        .putShort((short) blocks)
        .array();
  }

  private byte[] sense() {
    return ask(18, (byte) 3, (byte) 0, (byte) 0, (byte) 0, (byte) 18, (byte) 0);
  }

  private void write(int block, byte[] data, int transferBytes) {
    command(data.length, false, transfer(0x2a, block, data.length / BLOCK_BYTES));
    for (int at = 0; at < data.length; at += transferBytes) {
      byte[] part = Arrays.copyOfRange(data, at, Math.min(at + transferBytes, data.length));
      assertThat(host.submit(Transfer.bulk(OUT, part)).status()).isEqualTo(UrbStatus.OK);
    }
    assertThat(status()).containsExactly(GOOD, 0);
  }

  private byte[] read(int block, int bytes, int transferBytes) {
    command(bytes, true, transfer(0x28, block, bytes / BLOCK_BYTES));
    byte[] data = new byte[bytes];
    for (int at = 0; at < bytes; at += transferBytes) {
      byte[] part =
          host.submit(Transfer.bulk(IN, new byte[Math.min(transferBytes, bytes - at)])).data();
      System.arraycopy(part, 0, data, at, part.length);
    }
    assertThat(status()).containsExactly(GOOD, 0);
    return data;
  }

  @Test
  void saysWhatItIs() {
    plugMemory();
    assertThat(host.get(0xa1, 0xfe, 0, 0, 1)).containsExactly(0);
    byte[] inquiry = ask(36, (byte) 0x12, (byte) 0, (byte) 0, (byte) 0, (byte) 36, (byte) 0);
    assertThat(new String(inquiry, 8, 28, StandardCharsets.US_ASCII))
        .isEqualTo("NETCHAN Soft Stick      1.00");
    byte[] page = ask(255, (byte) 0x12, (byte) 1, (byte) 0x80, (byte) 0, (byte) 255, (byte) 0);
    assertThat(new String(page, 4, page[3], StandardCharsets.US_ASCII)).isEqualTo("4E4330303031");
    ByteBuffer capacity = ByteBuffer.wrap(ask(8, (byte) 0x25));
    assertThat(capacity.getInt()).isEqualTo(DISK_BYTES / BLOCK_BYTES - 1);
    assertThat(capacity.getInt()).isEqualTo(BLOCK_BYTES);
    assertThat(ask(192, (byte) 0x1a, (byte) 0, (byte) 0x3f, (byte) 0, (byte) 192, (byte) 0))
        .containsExactly(3, 0, 0, 0);
    assertThat(command(0, false, (byte) 0)).isEqualTo(UrbStatus.OK);
    assertThat(status()).containsExactly(GOOD, 0);
  }

  @Test
  void keepsWhatIsWrittenHoweverItIsCut() {
    plugMemory();
    Random random = new Random(3);
    byte[] expected = new byte[DISK_BYTES];
    for (int i = 0; i < 60; i++) {
      int blocks = 1 + random.nextInt(400);
      int block = random.nextInt(DISK_BYTES / BLOCK_BYTES - blocks + 1);
      byte[] data = new byte[blocks * BLOCK_BYTES];
      random.nextBytes(data);
      write(block, data, BLOCK_BYTES * (1 + random.nextInt(128)));
      System.arraycopy(data, 0, expected, block * BLOCK_BYTES, data.length);
      int from = random.nextInt(DISK_BYTES / BLOCK_BYTES - 300);
      assertThat(read(from, 300 * BLOCK_BYTES, BLOCK_BYTES * (1 + random.nextInt(128))))
          .isEqualTo(Arrays.copyOfRange(expected, from * BLOCK_BYTES, (from + 300) * BLOCK_BYTES));
    }
  }

  /** Several transfers wait at both endpoints, as a busy host has them. */
  @Test
  void transfersMayAllWaitFromTheStart() {
    plugMemory();
    byte[] data = new byte[256 * BLOCK_BYTES];
    new Random(4).nextBytes(data);
    write(0, data, 65_536);
    Transfer first = host.submit(Transfer.bulk(IN, new byte[65_536]));
    Transfer second = host.submit(Transfer.bulk(IN, new byte[65_536]));
    Transfer state = host.submit(Transfer.bulk(IN, new byte[13]));
    assertThat(first.isDone()).isFalse();
    command(data.length, true, transfer(0x28, 0, 256));
    assertThat(first.data()).isEqualTo(Arrays.copyOf(data, 65_536));
    assertThat(second.data()).isEqualTo(Arrays.copyOfRange(data, 65_536, 131_072));
    assertThat(state.data()).hasSize(13);
  }

  @Test
  void aFileIsWhatItHas() throws Exception {
    Path image = directory.resolve("stick.img");
    byte[] content = new byte[DISK_BYTES];
    new Random(6).nextBytes(content);
    Files.write(image, content);
    try (DeviceOpener files = new DeviceOpener();
        Device file = files.open("file:" + image, false)) {
      plug(new Synchronous(file));
      assertThat(read(7, 9 * BLOCK_BYTES, BLOCK_BYTES * 4))
          .isEqualTo(Arrays.copyOfRange(content, 7 * BLOCK_BYTES, 16 * BLOCK_BYTES));
      byte[] data = new byte[3 * BLOCK_BYTES];
      Arrays.fill(data, (byte) 9);
      write(5, data, 1000);
      command(0, false, (byte) 0x35);
      assertThat(status()).containsExactly(GOOD, 0);
    }
    assertThat(Files.readAllBytes(image))
        .containsSubsequence(content[5 * BLOCK_BYTES - 1], 9, 9, content[8 * BLOCK_BYTES]);
  }

  /** Waits for a device that has threads of its own, so that a test has not to. */
  private static final class Synchronous extends ForwardingDevice {
    Synchronous(Device device) {
      super(device);
    }

    @Override
    public void read(long offsetBytes, ByteBuffer data, Completion completion) {
      completion.complete(Requests.await(done -> device.read(offsetBytes, data, done)));
    }

    @Override
    public void write(long offsetBytes, ByteBuffer data, Completion completion) {
      completion.complete(Requests.await(done -> device.write(offsetBytes, data, done)));
    }

    @Override
    public void flush(Completion completion) {
      completion.complete(Requests.flush(device));
    }
  }

  @Test
  void whatItDoesNotKnowFailsAndTheReasonIsTold() {
    plugMemory();
    command(0, false, (byte) 0xff);
    assertThat(status()).containsExactly(FAILED, 0);
    assertThat(Arrays.copyOfRange(sense(), 2, 14)).startsWith(5).endsWith(0x20, 0);
    assertThat(sense()[2]).as("told once").isZero();
  }

  @Test
  void aReadBeyondTheEndHaltsAndGoesOn() {
    plugMemory();
    command(1024, true, transfer(0x28, DISK_BYTES / BLOCK_BYTES - 1, 2));
    assertThat(host.submit(Transfer.bulk(IN, new byte[1024])).status()).isEqualTo(UrbStatus.STALL);
    assertThat(host.set(2, 1, 0, IN)).isEqualTo(UrbStatus.OK);
    assertThat(status()).containsExactly(FAILED, 1024);
    assertThat(Arrays.copyOfRange(sense(), 2, 14)).startsWith(5).endsWith(0x21, 0);
    assertThat(read(0, 512, 512)).containsOnly(0);
  }

  @Test
  void anErrorOfTheStorageIsOneOfTheMedium() throws Exception {
    plug(ErrorFilter.parse("read=2,write=2").around(new MemoryStorage(DISK_BYTES)));
    // 128 KiB are two reads of the storage: the second one fails when the first half has gone.
    command(131_072, true, transfer(0x28, 0, 256));
    assertThat(host.submit(Transfer.bulk(IN, new byte[65_536])).status()).isEqualTo(UrbStatus.OK);
    assertThat(host.submit(Transfer.bulk(IN, new byte[65_536])).status())
        .isEqualTo(UrbStatus.STALL);
    host.set(2, 1, 0, IN);
    assertThat(status()).containsExactly(FAILED, 65_536);
    assertThat(Arrays.copyOfRange(sense(), 2, 14)).startsWith(3).endsWith(0x11, 0);

    write(0, new byte[512], 512);
    command(512, false, transfer(0x2a, 0, 1));
    host.submit(Transfer.bulk(OUT, new byte[512]));
    assertThat(status()).containsExactly(FAILED, 0);
    assertThat(Arrays.copyOfRange(sense(), 2, 14)).startsWith(3).endsWith(0x0c, 0);
  }

  /** Bulk-only transport 1.0, 6.7: where host and command do not agree. */
  @Test
  void hostAndCommandHaveToAgree() {
    plugMemory();
    command(512, true, transfer(0x28, 0, 4)); // the command has more
    assertThat(host.submit(Transfer.bulk(IN, new byte[512])).status()).isEqualTo(UrbStatus.STALL);
    host.set(2, 1, 0, IN);
    assertThat(status()).containsExactly(PHASE_ERROR, 512);

    command(1024, true, transfer(0x2a, 0, 2)); // the other way
    assertThat(host.submit(Transfer.bulk(IN, new byte[1024])).status()).isEqualTo(UrbStatus.STALL);
    host.set(2, 1, 0, IN);
    assertThat(status()).containsExactly(PHASE_ERROR, 1024);

    command(2048, true, transfer(0x28, 0, 2)); // the command has less
    Transfer less = host.submit(Transfer.bulk(IN, new byte[2048]));
    assertThat(less.data()).hasSize(1024);
    assertThat(status()).containsExactly(GOOD, 1024);

    command(1024, true, transfer(0x28, 0, 1)); // less, and the first transfer is full
    assertThat(host.submit(Transfer.bulk(IN, new byte[512])).data()).hasSize(512);
    assertThat(host.submit(Transfer.bulk(IN, new byte[512])).data()).isEmpty();
    assertThat(status()).containsExactly(GOOD, 512);

    command(1024, false, transfer(0x2a, 0, 1)); // takes less
    Transfer more = host.submit(Transfer.bulk(OUT, new byte[1024]));
    assertThat(more.urb.actualBytes()).isEqualTo(512);
    assertThat(more.status()).isEqualTo(UrbStatus.STALL);
    host.set(2, 1, 0, OUT);
    assertThat(status()).containsExactly(GOOD, 512);
  }

  @Test
  void whatIsNoCommandNeedsAReset() {
    plugMemory();
    host.submit(Transfer.bulk(OUT, new byte[31]));
    assertThat(host.submit(Transfer.bulk(IN, new byte[13])).status()).isEqualTo(UrbStatus.STALL);
    host.set(2, 1, 0, IN);
    assertThat(host.submit(Transfer.bulk(IN, new byte[13])).status()).isEqualTo(UrbStatus.STALL);
    assertThat(host.set(0x21, 0xff, 0, 0)).isEqualTo(UrbStatus.OK);
    host.set(2, 1, 0, IN);
    host.set(2, 1, 0, OUT);
    assertThat(read(0, 512, 512)).containsOnly(0);
  }

  /** The storage has the buffer: the next command waits for it. */
  @Test
  void aResetWaitsForTheStorage() {
    HeldStorage storage = new HeldStorage();
    plug(storage);
    command(512, true, transfer(0x28, 0, 1));
    assertThat(storage.held).isNotNull();
    Completion old = storage.held;
    storage.held = null;
    assertThat(host.set(0x21, 0xff, 0, 0)).isEqualTo(UrbStatus.OK);
    Transfer next =
        Transfer.bulk(
            OUT,
            ByteBuffer.allocate(31)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(0x43425355)
                .putInt(++tag)
                .putInt(0)
                .put((byte) 0)
                .put((byte) 0)
                .put((byte) 6)
                .array());
    assertThat(host.submit(next).isDone()).isFalse();
    old.complete(Outcome.OK);
    time.run();
    assertThat(next.status()).isEqualTo(UrbStatus.OK);
    assertThat(status()).containsExactly(GOOD, 0);
  }

  private static final class HeldStorage extends ForwardingDevice {
    private Completion held;

    HeldStorage() {
      super(new MemoryStorage(DISK_BYTES));
    }

    @Override
    public void read(long offsetBytes, ByteBuffer data, Completion completion) {
      held = completion;
    }
  }

  /** The storage is on a page boundary whatever the host's transfers are. */
  @Test
  void storageGetsItsOwnBuffer() {
    HeldStorage storage = new HeldStorage();
    plug(
        new ForwardingDevice(storage) {
          @Override
          public void write(long offsetBytes, ByteBuffer data, Completion completion) {
            assertThat(data.alignmentOffset(0, BlockBuffers.ALIGNMENT_BYTES)).isZero();
            super.write(offsetBytes, data, completion);
          }
        });
    write(0, new byte[4096], 1000);
  }
}
