package io.netchannel.containers.tool;

import io.netchannel.device.DeviceException;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * Uses a USB device in software as its driver in a guest would, and checks all that comes: the
 * lines of a serial device and the numbers that a keyboard types have neither gaps nor repeats, a
 * block of a stick holds what was last written. After an error it resets the device, as drivers do,
 * and goes on; a line may be lost then.
 *
 * <pre>
 *   VerifiedUsb SOURCE DIRECTORY GENERATION CERTIFICATES
 *
 *   SOURCE               ends in serial, keyboard or stick: what the device is
 *   the others           as of {@link VerifiedLoad}
 * </pre>
 */
public final class VerifiedUsb {
  private static final int IN = 0x81;
  private static final int OUT = 0x02;
  private static final int REPORT_MILLIS = 100;
  private static final int PAUSE_MILLIS = 100;

  /** As many as cdc-acm keeps waiting, and more than usbhid. */
  private static final int DEPTH = 16;

  private static final int REPORT_BYTES = 8;
  private static final int LINE_BYTES = 512;
  private static final int BLOCKS = 64;
  private static final int BLOCK_BYTES = 4096;
  private static final int SECTORS = BLOCK_BYTES / 512;

  // SCSI's.
  private static final int READ = 0x28;
  private static final int WRITE = 0x2a;

  private final UsbDevice device;
  private final Path directory;
  private final Progress progress;
  private final Random random = new Random(1);
  private final int[] versions = new int[BLOCKS];
  private int writes;
  private int tag;

  private VerifiedUsb(UsbDevice device, Path directory) {
    this.device = device;
    this.directory = directory;
    progress = new Progress(directory);
  }

  /** A transfer has ended with an error. */
  private static final class Failed extends Exception {
    private static final long serialVersionUID = 1L;

    Failed(Urb urb) {
      super(urb + ": " + urb.status());
    }
  }

  public static void main(String[] arguments) throws Exception {
    String source = arguments[0];
    Path directory = Path.of(arguments[1]);
    Files.createDirectories(directory);
    try (HostDevices devices = new HostDevices(Path.of(arguments[3]));
        UsbDevice device = devices.openUsb(source, "load", Long.parseLong(arguments[2]))) {
      new VerifiedUsb(device, directory).run(source.substring(source.lastIndexOf('/') + 1));
    } catch (DeviceException e) {
      Progress.refused(directory, e.getMessage());
    }
    System.exit(0);
  }

  private void run(String kind) throws InterruptedException {
    ScheduledExecutorService reports = Executors.newSingleThreadScheduledExecutor();
    var unused =
        reports.scheduleWithFixedDelay(
            () -> progress.report(false), 0, REPORT_MILLIS, TimeUnit.MILLISECONDS);
    boolean stopped = false;
    while (!stopped) {
      try {
        configure();
        switch (kind) {
          case "serial" -> lines(VerifiedUsb::readLine, VerifiedUsb::characters);
          case "keyboard" -> lines(VerifiedUsb::readReport, VerifiedUsb::key);
          case "stick" -> blocks();
          default -> throw new IllegalArgumentException("no known device: " + kind);
        }
        stopped = true;
      } catch (Failed e) {
        progress.failed("%s", e.getMessage());
        TimeUnit.MILLISECONDS.sleep(PAUSE_MILLIS);
      }
    }
    reports.shutdown();
    reports.awaitTermination(1, TimeUnit.MINUTES);
    progress.report(true);
  }

  private boolean isStopped() {
    return Files.exists(directory.resolve("stop"));
  }

  /** All that was submitted before has ended afterwards. */
  private void configure() throws Failed {
    device.reset().join();
    Urb urb = new Urb();
    urb.control(0x0001_0900L, ByteBuffer.allocateDirect(0));
    check(submit(urb).join());
  }

  private void check(Urb ended) throws Failed {
    if (ended.status() != UrbStatus.OK) {
      throw new Failed(ended);
    }
    progress.answered();
  }

  private CompletableFuture<Urb> submit(Urb urb) {
    CompletableFuture<Urb> ended = new CompletableFuture<>();
    device.submit(urb, device.port().incarnation(), ended::complete);
    return ended;
  }

  // ---- a serial device, a keyboard

  /** Of what an IN transfer has brought. */
  private interface Text {
    String of(byte[] bytes);
  }

  private static String characters(byte[] line) {
    return new String(line, StandardCharsets.US_ASCII);
  }

  /** What was pressed, of digits and the line's end; nothing when a key was released. */
  private static String key(byte[] report) {
    int usage = Byte.toUnsignedInt(report[2]);
    return switch (usage) {
      case 0 -> "";
      case 39 -> "0";
      case 40 -> String.valueOf('\n');
      default -> Integer.toString(usage - 29);
    };
  }

  private static Urb readLine() {
    Urb urb = new Urb();
    urb.bulk(IN, ByteBuffer.allocateDirect(LINE_BYTES), false);
    return urb;
  }

  private static Urb readReport() {
    Urb urb = new Urb();
    urb.interrupt(IN, ByteBuffer.allocateDirect(REPORT_BYTES), false, 8);
    return urb;
  }

  /** Lines with one number each, until it is stopped. */
  private void lines(Supplier<Urb> read, Text text) throws Failed {
    Deque<CompletableFuture<Urb>> waiting = new ArrayDeque<>();
    StringBuilder line = new StringBuilder();
    long expected = 0; // the first may be any
    while (!isStopped()) {
      while (waiting.size() < DEPTH) {
        waiting.add(submit(read.get()));
      }
      Urb ended = waiting.remove().join();
      check(ended);
      for (char each : text.of(bytes(ended)).toCharArray()) {
        if (each != '\n') {
          line.append(each);
          continue;
        }
        long number = Long.parseLong(line.toString());
        line.setLength(0);
        if (expected != 0 && number != expected) {
          progress.wrong("expected line %d, found %d", expected, number);
        }
        expected = number + 1;
        progress.checked();
      }
    }
  }

  private static byte[] bytes(Urb urb) {
    byte[] bytes = new byte[urb.actualBytes()];
    urb.data().get(urb.data().position(), bytes);
    return bytes;
  }

  // ---- a stick, by the bulk-only transport of mass storage

  /** Writes a block and reads another one, until it is stopped. */
  private void blocks() throws Failed {
    while (!isStopped()) {
      int written = random.nextInt(BLOCKS);
      int version = ++writes;
      versions[written] = 0; // until it is done either may be there
      command(WRITE, written, bytes(written, version));
      versions[written] = version;
      int read = random.nextInt(BLOCKS);
      byte[] found = new byte[BLOCK_BYTES];
      command(READ, read, found);
      if (versions[read] > 0 && !Arrays.equals(found, bytes(read, versions[read]))) {
        progress.wrong("block %d: expected version %d, found other data", read, versions[read]);
      }
      progress.checked();
    }
  }

  private static byte[] bytes(int block, int version) {
    byte[] bytes = new byte[BLOCK_BYTES];
    new Random((long) block << Integer.SIZE | version).nextBytes(bytes);
    return bytes;
  }

  /** A command, its data and its status. */
  private void command(int operation, int block, byte[] data) throws Failed {
    ByteBuffer order = ByteBuffer.allocateDirect(31).order(ByteOrder.LITTLE_ENDIAN);
    order.putInt(0x43425355).putInt(++tag).putInt(data.length);
    order.put((byte) (operation == READ ? 0x80 : 0)).put((byte) 0).put((byte) 10);
    order.order(ByteOrder.BIG_ENDIAN).put((byte) operation).put((byte) 0);
    order.putInt(block * SECTORS).put((byte) 0).putShort((short) SECTORS);
    bulk(OUT, order.clear());
    ByteBuffer moved = ByteBuffer.allocateDirect(data.length).put(data).flip();
    bulk(operation == READ ? IN : OUT, moved);
    moved.get(0, data);
    ByteBuffer status = ByteBuffer.allocateDirect(13).order(ByteOrder.LITTLE_ENDIAN);
    bulk(IN, status);
    if (status.getInt(4) != tag || status.get(12) != 0) {
      progress.wrong("tag %d: found status %d of tag %d", tag, status.get(12), status.getInt(4));
    }
  }

  private void bulk(int endpoint, ByteBuffer data) throws Failed {
    Urb urb = new Urb();
    urb.bulk(endpoint, data, false);
    check(submit(urb).join());
  }
}
