package io.netchannel.device.file;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.device.BlockBuffers;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.Extents;
import io.netchannel.device.Outcome;
import io.netchannel.device.Requests;
import io.netchannel.device.Storage;
import io.netchannel.threads.LastResort;
import io.netchannel.xen.Waiting;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class FileDeviceTest {
  private static final int SIZE_BYTES = 1 << 20;

  @TempDir Path directory;

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void readsBackWhatWasWrittenInUnitsOfOneSector(boolean tryDirect) throws Exception {
    Path path = image(SIZE_BYTES);
    try (FileDevice device = open(path, tryDirect)) {
      byte[] sector = bytes(1, 512);
      byte[] more = bytes(2, 3 * 512);
      assertThat(Requests.write(device, 512, sector)).isEqualTo(Outcome.OK);
      assertThat(Requests.write(device, SIZE_BYTES - more.length, more)).isEqualTo(Outcome.OK);
      assertThat(Requests.flush(device)).isEqualTo(Outcome.OK);
      assertThat(Requests.read(device, 512, 512)).isEqualTo(sector);
      assertThat(Requests.read(device, SIZE_BYTES - more.length, more.length)).isEqualTo(more);
      assertThat(Requests.read(device, 0, 512)).containsOnly(0);
    }
    byte[] all = Files.readAllBytes(path);
    assertThat(Arrays.copyOfRange(all, 512, 1024)).isEqualTo(bytes(1, 512));
    assertThat(all).hasSize(SIZE_BYTES);
  }

  @Test
  void servesTmpfs() throws Exception {
    Path path = Files.createTempFile(Path.of("/dev/shm"), "netchannel", ".img");
    try {
      Files.write(path, new byte[SIZE_BYTES]);
      try (FileDevice device = FileDevice.open(path.toString(), false)) {
        assertThat(Requests.write(device, 1024, bytes(3, 4096))).isEqualTo(Outcome.OK);
        assertThat(Requests.read(device, 1024, 4096)).isEqualTo(bytes(3, 4096));
        assertThat(Requests.flush(device)).isEqualTo(Outcome.OK);
      }
    } finally {
      Files.delete(path);
    }
  }

  @Test
  void regularFileHasSectorsOf512AndItsSize() throws Exception {
    try (FileDevice device = open(image(SIZE_BYTES), true)) {
      DeviceGeometry geometry = device.geometry();
      assertThat(geometry.sizeBytes()).isEqualTo(SIZE_BYTES);
      assertThat(geometry.logicalBlockBytes()).isEqualTo(512);
      assertThat(geometry.physicalBlockBytes()).isEqualTo(4096);
      assertThat(geometry.canFlush()).isTrue();
      assertThat(geometry.readOnly()).isFalse();
    }
  }

  @Test
  void sizeIsRoundedDownToWholeSectors() throws Exception {
    Path path = image(SIZE_BYTES + 100);
    try (FileDevice device = open(path, true)) {
      assertThat(device.geometry().sizeBytes()).isEqualTo(SIZE_BYTES);
    }
    assertThat(path).hasSize(SIZE_BYTES + 100);
  }

  @ParameterizedTest
  @CsvSource({
    "disk.raw, 'not an absolute path'",
    "/no/such/file, 'does not exist on this host'",
    "/tmp, 'is a directory'",
    "/dev/null, 'neither a regular file nor a block device'",
  })
  void saysWhyAFileCannotBeServed(String path, String words) {
    assertThatThrownBy(() -> FileDevice.open(path, false))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining(path)
        .hasMessageContaining(words);
  }

  @Test
  void refusesAFileWithoutASector() throws Exception {
    Path path = image(511);
    assertThatThrownBy(() -> open(path, true))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("511 bytes")
        .hasMessageContaining("truncate");
  }

  @Test
  void readOnlyRefusesWritesAndDiscards() throws Exception {
    Path path = image(SIZE_BYTES);
    try (FileDevice device = FileDevice.open(path.toString(), true)) {
      assertThat(device.geometry().readOnly()).isTrue();
      assertThat(device.geometry().canDiscard()).isFalse();
      assertThat(Requests.write(device, 0, bytes(1, 512))).isEqualTo(Outcome.UNSUPPORTED);
      assertThat(Requests.discard(device, 0, 4096)).isEqualTo(Outcome.UNSUPPORTED);
      assertThat(device.geometry().canZero()).isFalse();
      assertThat(Requests.zero(device, 0, 4096, true)).isEqualTo(Outcome.UNSUPPORTED);
      assertThat(Requests.flush(device)).isEqualTo(Outcome.OK);
      assertThat(Requests.read(device, 0, 512)).containsOnly(0);
    }
  }

  @Test
  void takesHeapBuffersAndUnalignedOnes() throws Exception {
    try (FileDevice device = open(image(SIZE_BYTES), true)) {
      byte[] data = bytes(5, 1024);
      assertThat(Requests.await(done -> device.write(4096, ByteBuffer.wrap(data), done)))
          .isEqualTo(Outcome.OK);
      ByteBuffer unaligned = BlockBuffers.allocate(4096).position(3).limit(3 + 1024);
      assertThat(Requests.await(done -> device.read(4096, unaligned, done))).isEqualTo(Outcome.OK);
      assertThat(unaligned.position()).isEqualTo(3);
      assertThat(unaligned.remaining()).isEqualTo(1024);
      assertThat(unaligned.slice()).isEqualTo(ByteBuffer.wrap(data));
    }
  }

  @ParameterizedTest
  @CsvSource({"1048576, 512", "1048064, 1024", "-512, 512", "100, 512", "512, 100"})
  void neverWritesOutsideTheDevice(long offsetBytes, int lengthBytes) throws Exception {
    Path path = image(SIZE_BYTES);
    try (FileDevice device = open(path, true)) {
      assertThat(Requests.write(device, offsetBytes, bytes(1, lengthBytes)))
          .isEqualTo(Outcome.IO_ERROR);
    }
    assertThat(Files.readAllBytes(path)).hasSize(SIZE_BYTES).containsOnly(0);
  }

  @Test
  void aCompletionThatThrowsIsTheEndOfTheProcessAndNotOfTheDevice() throws Exception {
    List<String> ends = new CopyOnWriteArrayList<>();
    LastResort last = LastResort.install((what, why) -> ends.add(what + ": " + why.getMessage()));
    try (FileDevice device = open(image(SIZE_BYTES), true)) {
      CountDownLatch thrown = new CountDownLatch(2);
      device.flush(
          outcome -> {
            thrown.countDown();
            throw new StackOverflowError("of a test");
          });
      device.flush(
          outcome -> {
            thrown.countDown();
            throw new IllegalStateException("of a test");
          });
      assertThat(thrown.await(60, TimeUnit.SECONDS)).isTrue();
      assertThat(Requests.flush(device)).isEqualTo(Outcome.OK);
    } finally {
      last.close();
    }
    assertThat(ends)
        .hasSize(2)
        .allSatisfy(end -> assertThat(end).contains("its outcome is lost").contains("of a test"));
  }

  @Test
  void aFileThatBecameShorterGivesAnError() throws Exception {
    Path path = image(SIZE_BYTES);
    try (FileDevice device = open(path, true)) {
      try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
        file.setLength(4096);
      }
      ByteBuffer data = BlockBuffers.allocate(8192);
      assertThat(Requests.await(done -> device.read(0, data, done))).isEqualTo(Outcome.IO_ERROR);
      assertThat(Requests.read(device, 0, 4096)).containsOnly(0);
    }
  }

  @Test
  void discardMakesAHoleAndKeepsTheSize() throws Exception {
    Path path = image(SIZE_BYTES);
    try (FileDevice device = open(path, true)) {
      assertThat(Requests.write(device, 0, bytes(9, SIZE_BYTES))).isEqualTo(Outcome.OK);
      if (device.geometry().canDiscard()) {
        assertThat(device.geometry().discardGranularityBytes()).isEqualTo(4096);
        assertThat(Requests.discard(device, 4096, 8192)).isEqualTo(Outcome.OK);
        assertThat(Requests.read(device, 4096, 8192)).containsOnly(0);
      } else {
        assertThat(Requests.discard(device, 4096, 8192)).isEqualTo(Outcome.UNSUPPORTED);
      }
      assertThat(Requests.read(device, 0, 4096))
          .isEqualTo(Arrays.copyOf(bytes(9, SIZE_BYTES), 4096));
    }
    assertThat(path).hasSize(SIZE_BYTES);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void zeroesWhatItIsToldAndNothingElse(boolean tryDirect) throws Exception {
    for (Path storage : List.of(directory, Path.of("/dev/shm"))) {
      Path path = Files.createTempFile(storage, "netchannel", ".img");
      try (FileDevice device = open(filled(path), tryDirect)) {
        assertThat(device.geometry().canZero()).isTrue();
        byte[] model = bytes(9, SIZE_BYTES);
        // Not in whole blocks of the file system at either end.
        assertThat(Requests.zero(device, 512, 3 * 4096, true)).isEqualTo(Outcome.OK);
        Arrays.fill(model, 512, 512 + 3 * 4096, (byte) 0);
        Outcome kept = Requests.zero(device, 65536 + 1024, 2 * 4096, false);
        if (storage.equals(directory)) {
          assertThat(kept).isEqualTo(Outcome.OK);
          Arrays.fill(model, 65536 + 1024, 65536 + 1024 + 2 * 4096, (byte) 0);
        } else {
          // tmpfs has no zeros that keep their storage, and says so each time; holes go on.
          assertThat(kept).isEqualTo(Outcome.UNSUPPORTED);
          assertThat(Requests.zero(device, 0, 512, false)).isEqualTo(Outcome.UNSUPPORTED);
        }
        assertThat(Requests.zero(device, SIZE_BYTES - 4096, 4096, true)).isEqualTo(Outcome.OK);
        Arrays.fill(model, SIZE_BYTES - 4096, SIZE_BYTES, (byte) 0);
        assertThat(Requests.zero(device, 4096, 0, true)).isEqualTo(Outcome.OK);
        assertThat(Requests.read(device, 0, SIZE_BYTES)).isEqualTo(model);
        assertThat(Requests.flush(device)).isEqualTo(Outcome.OK);
        assertThat(Files.readAllBytes(path)).isEqualTo(model);
      } finally {
        Files.delete(path);
      }
    }
  }

  /** The difference is what a guest may count on to be able to write to later. */
  @Test
  void onlyWhatMayBeDeallocatedIs() throws Exception {
    Path path = filled(directory.resolve("disk.raw"));
    try (FileDevice device = open(path, true)) {
      assertThat(Requests.flush(device)).isEqualTo(Outcome.OK);
      long before = allocatedBytes(path);
      assertThat(Requests.zero(device, 0, SIZE_BYTES / 4, false)).isEqualTo(Outcome.OK);
      assertThat(Requests.flush(device)).isEqualTo(Outcome.OK);
      assertThat(allocatedBytes(path)).isEqualTo(before);
      assertThat(Requests.zero(device, 0, SIZE_BYTES / 2, true)).isEqualTo(Outcome.OK);
      assertThat(Requests.flush(device)).isEqualTo(Outcome.OK);
      assertThat(allocatedBytes(path)).isEqualTo(before - SIZE_BYTES / 2);
    }
    assertThat(path).hasSize(SIZE_BYTES);
  }

  @ParameterizedTest
  @CsvSource({"1048576, 512", "1048064, 1024", "-512, 512", "100, 512", "512, 100"})
  void neverZeroesOutsideTheDevice(long offsetBytes, long lengthBytes) throws Exception {
    Path path = filled(directory.resolve("disk.raw"));
    try (FileDevice device = open(path, true)) {
      for (boolean mayDeallocate : new boolean[] {true, false}) {
        assertThat(Requests.zero(device, offsetBytes, lengthBytes, mayDeallocate))
            .isEqualTo(Outcome.IO_ERROR);
      }
      assertThat(Requests.zeros(device, offsetBytes, lengthBytes)).isEmpty();
    }
    assertThat(Files.readAllBytes(path)).isEqualTo(bytes(9, SIZE_BYTES));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "/dev/shm"})
  void tellsHolesAsZeros(String where) throws Exception {
    Path path =
        Files.createTempFile(where.isEmpty() ? directory : Path.of(where), "netchannel", ".img");
    try {
      try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
        file.setLength(SIZE_BYTES);
        file.seek(64 << 10);
        file.write(bytes(1, 64 << 10));
        file.seek(512 << 10);
        file.write(bytes(2, 4096));
      }
      try (FileDevice device = open(path, true)) {
        assertThat(Requests.zeros(device, 0, SIZE_BYTES))
            .containsExactly(
                run(0, 64 << 10), run(128 << 10, 512 << 10), run((512 << 10) + 4096, SIZE_BYTES));
        assertThat(Requests.zeros(device, 512, 1024)).containsExactly(run(512, 1536));
        assertThat(Requests.zeros(device, (64 << 10) - 512, 1024))
            .containsExactly(run((64 << 10) - 512, 64 << 10));
        assertThat(Requests.zeros(device, 64 << 10, 64 << 10)).isEmpty();
        assertThat(Requests.zeros(device, SIZE_BYTES - 512, 512))
            .containsExactly(run(SIZE_BYTES - 512, SIZE_BYTES));
        assertThat(Requests.zero(device, 64 << 10, 8192, true)).isEqualTo(Outcome.OK);
        assertThat(Requests.zeros(device, 64 << 10, 64 << 10))
            .containsExactly(run(64 << 10, 72 << 10));
        assertThat(Requests.write(device, 512, bytes(3, 512))).isEqualTo(Outcome.OK);
        assertThat(Requests.zeros(device, 0, 64 << 10)).containsExactly(run(4096, 64 << 10));
      }
    } finally {
      Files.delete(path);
    }
  }

  /** A file that became shorter has nothing there to read: neither zeros nor data. */
  @Test
  void behindTheEndOfTheFileIsNoHole() throws Exception {
    Path path = directory.resolve("disk.raw");
    try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
      file.setLength(SIZE_BYTES);
      try (FileDevice device = open(path, true)) {
        file.setLength(8192);
        assertThat(Requests.zeros(device, 4096, SIZE_BYTES - 4096))
            .containsExactly(run(4096, 8192));
        assertThat(Requests.zeros(device, 8192, 4096)).isEmpty();
        file.setLength(8192 - 100);
        assertThat(Requests.zeros(device, 0, 8192)).containsExactly(run(0, 8192 - 512));
      }
    }
  }

  @Test
  void tellsABoundedNumberOfHoles() throws Exception {
    Path path = directory.resolve("disk.raw");
    int blocks = 2 * Extents.MAX_RUNS + 100;
    try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
      file.setLength(blocks * 8192L);
      for (int i = 0; i < blocks; i++) {
        file.seek(i * 8192L);
        file.write(bytes(i, 4096));
      }
    }
    try (FileDevice device = open(path, true)) {
      List<Extents.Run> told = new ArrayList<>();
      long size = device.geometry().sizeBytes();
      long at = 0;
      while (at < size) {
        List<Extents.Run> some = Requests.zeros(device, at, size - at);
        assertThat(some).hasSizeBetween(1, Extents.MAX_RUNS);
        told.addAll(some);
        at = some.get(some.size() - 1).endBytes();
      }
      assertThat(told).hasSize(blocks);
      for (int i = 0; i < blocks; i++) {
        assertThat(told.get(i)).isEqualTo(new Extents.Run(i * 8192L + 4096, 4096));
      }
    }
  }

  /** Whoever asks goes on at once: the storage may hang. */
  @Test
  void holesAreLookedForOnTheDevicesThreads() throws Exception {
    FileDevice device =
        FileDevice.open(image(SIZE_BYTES).toString(), false, 1, true, System::nanoTime);
    CountDownLatch proceed = new CountDownLatch(1);
    device.flush(outcome -> awaitLatch(proceed)); // holds the only thread
    CompletableFuture<Extents> waiting = device.onCallersThread(true).extents(0, SIZE_BYTES);
    assertThat(waiting).isNotDone();
    proceed.countDown();
    assertThat(Requests.join(waiting)).isNotNull();
    device.close();
    assertThat(device.extents(0, SIZE_BYTES)).isCompletedWithValue(Extents.ALL_DATA);
    assertThat(Requests.zero(device, 0, 512, true)).isEqualTo(Outcome.IO_ERROR);
  }

  @Test
  void aFileThatIsMadeAnewUnderTheSameNumberIsAnotherIncarnation() throws Exception {
    Path path = image(SIZE_BYTES);
    FileStat.Birth birth = FileStat.of(path).flatMap(FileStat::birth).orElseThrow();
    String number = "file " + Files.getAttribute(path, "unix:dev") + " " + birth.inode();
    Storage storage = FileDevice.storage(path.toString());
    assertThat(storage).isEqualTo(Storage.ofKernel(number, Optional.of(birth.toString())));
    FileStat.Birth later = new FileStat.Birth(birth.inode(), birth.at().plusNanos(1));
    Storage anew = Storage.ofKernel(number, Optional.of(later.toString()));
    assertThat(anew.isSame(storage)).isTrue();
    assertThat(anew.incarnation()).isPresent().isNotEqualTo(storage.incarnation());
    assertThat(Storage.ofKernel(number, Optional.empty()).incarnation())
        .as("without birth times")
        .isEmpty();
  }

  private static Extents.Run run(long offsetBytes, long endBytes) {
    return new Extents.Run(offsetBytes, endBytes - offsetBytes);
  }

  private static Path filled(Path path) throws IOException {
    return Files.write(path, bytes(9, SIZE_BYTES));
  }

  private static long allocatedBytes(Path path) throws Exception {
    Process stat = new ProcessBuilder("stat", "--format=%b", path.toString()).start();
    String blocks = new String(stat.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
    return Long.parseLong(blocks.strip()) * 512;
  }

  /**
   * Many requests in flight; each sector has one writer at a time, reads check what was answered.
   */
  @Test
  void keepsEveryWriteOfManyConcurrentRequests() throws Exception {
    long seed = new Random().nextLong();
    Random random = new Random(seed);
    int slotBytes = 16 * 512;
    int slots = SIZE_BYTES / slotBytes;
    byte[] model = new byte[SIZE_BYTES];
    Path path = image(SIZE_BYTES);
    try (FileDevice device = open(path, true)) {
      for (int round = 0; round < 20; round++) {
        List<CompletableFuture<Outcome>> writes = new ArrayList<>();
        for (int slot = 0; slot < slots; slot++) {
          int first = random.nextInt(16);
          int sectors = 1 + random.nextInt(16 - first);
          int offset = slot * slotBytes + first * 512;
          byte[] data = new byte[sectors * 512];
          random.nextBytes(data);
          System.arraycopy(data, 0, model, offset, data.length);
          ByteBuffer buffer = BlockBuffers.allocate(data.length);
          buffer.put(data).flip();
          writes.add(Requests.submit(done -> device.write(offset, buffer, done)));
          if (random.nextInt(16) == 0) {
            writes.add(Requests.submit(device::flush));
          }
        }
        for (CompletableFuture<Outcome> write : writes) {
          assertThat(Requests.join(write)).as("seed %d", seed).isEqualTo(Outcome.OK);
        }
        int slot = random.nextInt(slots);
        assertThat(Requests.read(device, (long) slot * slotBytes, slotBytes))
            .as("seed %d round %d slot %d", seed, round, slot)
            .isEqualTo(Arrays.copyOfRange(model, slot * slotBytes, (slot + 1) * slotBytes));
      }
    }
    assertThat(Files.readAllBytes(path)).as("seed %d", seed).isEqualTo(model);
  }

  @Test
  void closeWaitsForWhatRunsAndLaterRequestsFail() throws Exception {
    FileDevice device =
        FileDevice.open(image(SIZE_BYTES).toString(), false, 1, true, System::nanoTime);
    CountDownLatch proceed = new CountDownLatch(1);
    // The only I/O thread is held in a completion; the others wait in the queue.
    device.flush(outcome -> awaitLatch(proceed));
    List<CompletableFuture<Outcome>> queued = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      queued.add(Requests.submit(device::flush));
    }
    CompletableFuture<Void> closed = CompletableFuture.runAsync(device::close);
    assertThat(queued).noneMatch(CompletableFuture::isDone);
    assertThat(closed).isNotDone();
    proceed.countDown();
    Requests.join(closed);
    assertThat(queued).allMatch(done -> done.isDone() && done.join() == Outcome.OK);
    assertThat(Requests.flush(device)).isEqualTo(Outcome.IO_ERROR);
    device.close();
  }

  @Test
  void aFullQueueSlowsTheSubmitterDownAndLosesNothing() throws Exception {
    try (FileDevice device =
        FileDevice.open(image(SIZE_BYTES).toString(), false, 1, true, System::nanoTime)) {
      CountDownLatch proceed = new CountDownLatch(1);
      CountDownLatch held = new CountDownLatch(1);
      device.flush(
          outcome -> {
            held.countDown();
            awaitLatch(proceed);
          });
      awaitLatch(held);
      List<CompletableFuture<Outcome>> requests = new ArrayList<>();
      for (int i = 0; i < FileDevice.MAX_QUEUED; i++) {
        requests.add(Requests.submit(done -> device.discard(0, 0, done)));
      }
      assertThat(requests).noneMatch(CompletableFuture::isDone);
      assertThat(Requests.submit(done -> device.discard(0, 0, done))).isDone();
      proceed.countDown();
      requests.forEach(Requests::join);
    }
  }

  /**
   * Else the descriptor is closed, perhaps used for another file, under the submitter's request.
   */
  @Test
  void closeWaitsForARequestThatItsSubmitterRuns() throws Exception {
    FileDevice device =
        FileDevice.open(image(SIZE_BYTES).toString(), false, 1, true, System::nanoTime);
    CountDownLatch proceed = new CountDownLatch(1);
    CountDownLatch held = new CountDownLatch(1);
    device.flush(
        outcome -> {
          held.countDown();
          awaitLatch(proceed);
        });
    awaitLatch(held);
    for (int i = 0; i < FileDevice.MAX_QUEUED; i++) {
      device.discard(0, 0, outcome -> {});
    }
    CountDownLatch submitterRuns = new CountDownLatch(1);
    CountDownLatch submitterProceeds = new CountDownLatch(1);
    CompletableFuture<Void> submitter =
        CompletableFuture.runAsync(
            () ->
                device.flush(
                    outcome -> {
                      submitterRuns.countDown();
                      awaitLatch(submitterProceeds);
                    }));
    awaitLatch(submitterRuns);
    proceed.countDown(); // the I/O thread and its queue come to their end
    CompletableFuture<Void> closed = CompletableFuture.runAsync(device::close);
    assertThatThrownBy(() -> closed.get(200, TimeUnit.MILLISECONDS))
        .isInstanceOf(TimeoutException.class);
    submitterProceeds.countDown();
    Requests.join(closed);
    Requests.join(submitter);
  }

  /**
   * Of a disk that was given up, and hangs: its user gives the memory of his requests away next.
   */
  @Test
  void whoClosesItOnceMoreWaitsToo() throws Exception {
    FileDevice device =
        FileDevice.open(image(SIZE_BYTES).toString(), false, 1, true, System::nanoTime);
    CountDownLatch proceed = new CountDownLatch(1);
    CompletableFuture<Outcome> running = new CompletableFuture<>();
    device.flush(
        outcome -> {
          awaitLatch(proceed);
          running.complete(outcome);
        });
    Thread first = new Thread(device::close, "first");
    first.start();
    Waiting.until("the first close waits", () -> first.getState() == Thread.State.TIMED_WAITING);
    CompletableFuture<Boolean> second =
        CompletableFuture.supplyAsync(
            () -> {
              device.close();
              return running.isDone();
            });
    assertThatThrownBy(() -> second.get(200, TimeUnit.MILLISECONDS))
        .isInstanceOf(TimeoutException.class);
    proceed.countDown();
    assertThat(second.orTimeout(60, TimeUnit.SECONDS).join()).isTrue();
    first.join();
  }

  private static void awaitLatch(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  private FileDevice open(Path path, boolean tryDirect) throws DeviceException {
    return FileDevice.open(
        path.toString(), false, FileDevice.DEFAULT_IO_THREADS, tryDirect, System::nanoTime);
  }

  private Path image(int sizeBytes) throws IOException {
    Path path = directory.resolve("disk.raw");
    Files.write(path, new byte[sizeBytes]);
    return path;
  }

  private static byte[] bytes(long seed, int lengthBytes) {
    byte[] data = new byte[lengthBytes];
    new Random(seed).nextBytes(data);
    return data;
  }

  /** As a name with an umlaut is where the locale has ASCII only. */
  @Test
  void aNameThatTheLocaleCannotWriteIsToldInWords() {
    String path = "/srv/\uD800.raw";
    assertThatThrownBy(() -> FileDevice.checkUnused(path))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("LC_ALL=C.UTF-8");
    assertThatThrownBy(() -> OpenFile.open(path, false, true))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("LC_ALL=C.UTF-8");
  }
}
