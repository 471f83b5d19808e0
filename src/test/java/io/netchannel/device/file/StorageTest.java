package io.netchannel.device.file;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.netchannel.device.DeviceException;
import io.netchannel.device.Outcome;
import io.netchannel.device.Requests;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** On storage made for the test: full, without direct I/O, a real block device. Needs root. */
final class StorageTest {
  private static final int MIB = 1 << 20;

  @TempDir Path directory;

  /** Commands that undo what the test did, last first. */
  private final Deque<String[]> undo = new ArrayDeque<>();

  @AfterEach
  void undo() throws Exception {
    while (!undo.isEmpty()) {
      run(undo.pop());
    }
  }

  @Test
  void aFullFileSystemGivesNoSpace() throws Exception {
    Path file = sparseFile(mount("tmpfs", "size=1m"), 4 * MIB);
    try (FileDevice device = FileDevice.open(file.toString(), false)) {
      byte[] mib = bytes(MIB / 2);
      assertThat(Requests.write(device, 0, mib)).isEqualTo(Outcome.OK);
      assertThat(Requests.write(device, MIB, new byte[MIB])).isEqualTo(Outcome.NO_SPACE);
      assertThat(Requests.read(device, 0, mib.length)).isEqualTo(mib);
    }
  }

  @Test
  void withoutDirectIoThePageCacheIsUsed() throws Exception {
    Path file = mount("ramfs", "mode=700").resolve("disk.raw");
    Files.write(file, new byte[MIB]);
    try (FileDevice device = FileDevice.open(file.toString(), false)) {
      assertThat(device.direct()).isFalse();
      assertThat(Requests.write(device, 512, bytes(1536))).isEqualTo(Outcome.OK);
      assertThat(Requests.read(device, 512, 1536)).isEqualTo(bytes(1536));
      assertThat(Requests.flush(device)).isEqualTo(Outcome.OK);
      assertThat(device.geometry().canDiscard()).isFalse();
      assertThat(Requests.discard(device, 0, 4096)).isEqualTo(Outcome.UNSUPPORTED);
      assertThat(device.geometry().canZero()).isFalse();
      assertThat(Requests.zero(device, 0, 4096, true)).isEqualTo(Outcome.UNSUPPORTED);
      assertThat(Requests.zeros(device, 0, MIB)).isEmpty();
    }
  }

  @Test
  void servesABlockDevice() throws Exception {
    Path backing = sparseFile(directory, 8 * MIB);
    String loop = loop(backing);
    try (FileDevice device = FileDevice.open(loop, false)) {
      assertThat(device.direct()).isTrue();
      assertThat(device.geometry().sizeBytes()).isEqualTo(8 * MIB);
      assertThat(device.geometry().logicalBlockBytes()).isEqualTo(512);
      assertThat(Requests.write(device, 512, bytes(MIB))).isEqualTo(Outcome.OK);
      assertThat(Requests.flush(device)).isEqualTo(Outcome.OK);
      assertThat(Requests.read(device, 512, MIB)).isEqualTo(bytes(MIB));
      assertThat(device.geometry().canDiscard()).isTrue();
      assertThat(Requests.discard(device, 8192, 4096)).isEqualTo(Outcome.OK);
      assertThat(Requests.read(device, 8192, 4096)).containsOnly(0);
    }
    assertThat(Arrays.copyOfRange(Files.readAllBytes(backing), 512, 8192))
        .isEqualTo(Arrays.copyOf(bytes(MIB), 8192 - 512));
  }

  /** The kernel makes holes in the file behind the loop device, or writes to it. */
  @Test
  void zeroesABlockDevice() throws Exception {
    Path backing = sparseFile(directory, 8 * MIB);
    String loop = loop(backing);
    byte[] model = bytes(8 * MIB);
    try (FileDevice device = FileDevice.open(loop, false)) {
      assertThat(device.geometry().canZero()).isTrue();
      assertThat(Requests.write(device, 0, model)).isEqualTo(Outcome.OK);
      for (boolean mayDeallocate : new boolean[] {true, false}) {
        int from = (mayDeallocate ? 1 : 4) * MIB + 512;
        int length = 2 * MIB - 1024;
        assertThat(Requests.zero(device, from, length, mayDeallocate)).isEqualTo(Outcome.OK);
        Arrays.fill(model, from, from + length, (byte) 0);
      }
      assertThat(Requests.read(device, 0, 8 * MIB)).isEqualTo(model);
      assertThat(Requests.flush(device)).isEqualTo(Outcome.OK);
      assertThat(Requests.zeros(device, 0, 8 * MIB)).as("nothing is known").isEmpty();
    }
    assertThat(Files.readAllBytes(backing)).isEqualTo(model);
  }

  /** Without a hole to be had, as its file cannot have any. */
  @Test
  void aBlockDeviceThatWouldWriteZerosDoesNotMakeThem() throws Exception {
    Path backing = mount("ramfs", "mode=700").resolve("backing.raw");
    Files.write(backing, bytes(2 * MIB));
    try (FileDevice device = FileDevice.open(loop(backing), false)) {
      assertThat(device.geometry().canDiscard()).isFalse();
      assertThat(device.geometry().canZero()).isFalse();
      assertThat(Requests.zero(device, 4096, MIB, true)).isEqualTo(Outcome.UNSUPPORTED);
      assertThat(Requests.read(device, 0, 2 * MIB)).isEqualTo(bytes(2 * MIB));
    }
  }

  @Test
  void aBlockDeviceMayHaveSectorsOf4096() throws Exception {
    String loop = loop(sparseFile(directory, 8 * MIB), "--sector-size", "4096");
    try (FileDevice device = FileDevice.open(loop, false)) {
      assertThat(device.geometry().logicalBlockBytes()).isEqualTo(4096);
      assertThat(Requests.write(device, 4096, bytes(4096))).isEqualTo(Outcome.OK);
      assertThat(Requests.write(device, 512, bytes(512))).isEqualTo(Outcome.IO_ERROR);
      assertThat(Requests.read(device, 4096, 4096)).isEqualTo(bytes(4096));
    }
  }

  @Test
  void aReadOnlyBlockDeviceIsServedReadOnlyOnly() throws Exception {
    String loop = loop(sparseFile(directory, MIB), "--read-only");
    assertThatThrownBy(() -> FileDevice.open(loop, false))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining(loop)
        .hasMessageContaining("readonly=\"yes\"");
    try (FileDevice device = FileDevice.open(loop, true)) {
      assertThat(Requests.read(device, 0, 512)).containsOnly(0);
    }
  }

  /** Before others may write to it. */
  @Test
  void aMountedDeviceIsInUse() throws Exception {
    String loop = loop(sparseFile(directory, 16 * MIB));
    FileDevice.checkUnused(loop);
    run("mkfs.ext4", "-q", loop);
    Path point = Files.createDirectories(directory.resolve("mounted"));
    run("mount", loop, point.toString());
    try {
      assertThatThrownBy(() -> FileDevice.checkUnused(loop))
          .isInstanceOf(DeviceException.class)
          .hasMessageContaining(loop + " is in use on this host: mounted");
    } finally {
      run("umount", point.toString());
    }
    // Being open is no use of this kind: our own disks are.
    try (FileDevice device = FileDevice.open(loop, false)) {
      assertThat(device.geometry().sizeBytes()).isEqualTo(16 * MIB);
      FileDevice.checkUnused(loop);
    }
    FileDevice.checkUnused(directory.resolve("backing.raw").toString());
    assertThatThrownBy(() -> FileDevice.checkUnused("/no/such/disk"))
        .hasMessageContaining("does not exist");
  }

  /** What another host wrote in the meantime is in the backing file, not in this page cache. */
  @Test
  void neverServesThePageCacheOfBefore() throws Exception {
    Path backing = sparseFile(directory, MIB);
    String loop = loop(backing);
    assertThat(Files.readAllBytes(Path.of(loop))).containsOnly(0); // fills the page cache
    try (RandomAccessFile file = new RandomAccessFile(backing.toFile(), "rwd")) {
      file.write(bytes(4096));
    }
    for (boolean tryDirect : new boolean[] {true, false}) {
      try (FileDevice device = FileDevice.open(loop, false, 1, tryDirect, System::nanoTime)) {
        assertThat(device.direct()).isEqualTo(tryDirect);
        assertThat(Requests.read(device, 0, 4096))
            .as("direct %s", tryDirect)
            .isEqualTo(bytes(4096));
      }
    }
  }

  /** The kernel reports lost pages once and calls them clean; we must not. */
  @Test
  void afterAFailedFlushAllFurtherFlushesFail() throws Exception {
    Path storage = mount("tmpfs", "size=1m");
    String loop = loop(sparseFile(storage, 8 * MIB));
    try (FileDevice device = FileDevice.open(loop, false, 4, false, System::nanoTime)) {
      assertThat(Requests.flush(device)).isEqualTo(Outcome.OK);
      assertThat(Requests.write(device, 0, bytes(4 * MIB))).isEqualTo(Outcome.OK); // cached
      assertThat(Requests.flush(device)).isNotEqualTo(Outcome.OK);
      assertThat(Requests.flush(device)).isEqualTo(Outcome.IO_ERROR);
    }
    run("mount", "-o", "remount,size=16m", storage.toString());
    try (FileDevice device = FileDevice.open(loop, false, 4, false, System::nanoTime)) {
      assertThat(Requests.flush(device)).as("opened again").isEqualTo(Outcome.OK);
    }
  }

  private Path mount(String type, String options) throws Exception {
    needsRoot();
    Path point = Files.createDirectories(directory.resolve(type));
    run("mount", "-t", type, "-o", options, "none", point.toString());
    undo.push(new String[] {"umount", point.toString()});
    return point;
  }

  private String loop(Path backing, String... options) throws Exception {
    needsRoot();
    String[] command = new String[options.length + 4];
    command[0] = "losetup";
    command[1] = "--find";
    command[2] = "--show";
    System.arraycopy(options, 0, command, 3, options.length);
    command[command.length - 1] = backing.toString();
    assumeTrue(Files.exists(Path.of("/dev/loop-control")), "this machine has no loop devices");
    String device = run(command).strip();
    undo.push(new String[] {"losetup", "--detach", device});
    return device;
  }

  private static void needsRoot() {
    assumeTrue("root".equals(System.getProperty("user.name")), "making storage needs root");
  }

  private static Path sparseFile(Path directory, long sizeBytes) throws IOException {
    Path path = directory.resolve("backing.raw");
    try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
      file.setLength(sizeBytes);
    }
    return path;
  }

  private static String run(String... command) throws Exception {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as("%s: %s", String.join(" ", command), output).isZero();
    return output;
  }

  private static byte[] bytes(int lengthBytes) {
    byte[] data = new byte[lengthBytes];
    new Random(42).nextBytes(data);
    return data;
  }
}
