package io.netchannel.coordinator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class MigrationJournalTest {
  private static final UUID DOMAIN = new UUID(1, 2);
  private static final DiskKey KEY = new DiskKey(DOMAIN, "xvda");

  @TempDir Path directory;

  private static Migration migration(int number) {
    LocalDevices.Disk disk = new LocalDevices.Disk(DOMAIN, "xvda", "file:/x", true, 4096, number);
    return Migration.begin(
            new UUID(9, number),
            Direction.OUTGOING,
            "db",
            DOMAIN,
            "hostb",
            List.of(disk),
            Instant.parse("2026-01-01T00:00:00.123456Z"))
        .moved(Phase.PRECOPY, Instant.parse("2026-01-01T00:00:01Z"), "1 disk");
  }

  private static void put(MigrationJournal journal, int number) throws JournalException {
    journal.put(Optional.of(migration(number)), Map.of(KEY, Generation.at("hostb", number)));
  }

  private static byte[] logOf(int records) throws JournalException {
    MemoryStorage storage = new MemoryStorage();
    MigrationJournal journal = new MigrationJournal(storage);
    for (int number = 1; number <= records; number++) {
      put(journal, number);
    }
    return storage.log();
  }

  private static int usedBytes(byte[] log) {
    int end = log.length;
    while (end > 0 && log[end - 1] == 0) {
      end--;
    }
    return end;
  }

  @Test
  void isThereAfterARestart() throws JournalException {
    try (MigrationJournal journal = MigrationJournal.open(directory)) {
      put(journal, 1);
      put(journal, 2);
      journal.putManifest(migration(2).id(), 0, ByteString.copyFromUtf8("pending"));
      journal.putManifest(new UUID(5, 5), 0, ByteString.copyFromUtf8("of nobody"));
    }
    try (MigrationJournal journal = MigrationJournal.open(directory)) {
      assertThat(journal.migrations()).containsExactly(migration(1), migration(2));
      assertThat(journal.generation(KEY)).contains(Generation.at("hostb", 2));
      assertThat(journal.manifest(migration(2).id(), 0).toStringUtf8()).isEqualTo("pending");
      assertThatThrownBy(() -> journal.manifest(new UUID(5, 5), 0))
          .isInstanceOf(JournalException.class)
          .hasMessageContaining("missing");
    }
  }

  @Test
  void hasOneDaemon() throws JournalException {
    try (MigrationJournal journal = MigrationJournal.open(directory)) {
      put(journal, 1);
      assertThatThrownBy(() -> MigrationJournal.open(directory))
          .isInstanceOf(JournalException.class)
          .hasMessageContaining("another daemon uses");
    }
  }

  @Test
  void aTornLastRecordIsCutOffAtEveryByte() throws JournalException {
    byte[] two = logOf(2);
    byte[] three = logOf(3);
    int begin = usedBytes(two);
    int end = usedBytes(three);
    assertThat(end - begin).isGreaterThan(50);
    for (int torn = begin; torn < end; torn++) {
      MemoryStorage storage = new MemoryStorage();
      byte[] log = Arrays.copyOf(two, two.length);
      System.arraycopy(three, begin, log, begin, torn - begin);
      storage.setLog(log);
      MigrationJournal journal = new MigrationJournal(storage);
      assertThat(journal.migrations()).as("torn at %s", torn).hasSize(2);
      put(journal, 4);
      assertThat(new MigrationJournal(storage).migrations())
          .as("torn at %s, then written", torn)
          .containsExactly(migration(1), migration(2), migration(4));
    }
  }

  @Test
  void aFileThatEndsInTheLastRecordIsCutOffAtEveryByte() throws JournalException {
    byte[] log = logOf(2);
    int begin = usedBytes(logOf(1));
    for (int length = begin; length < usedBytes(log); length++) {
      MemoryStorage storage = new MemoryStorage();
      storage.setLog(Arrays.copyOf(log, length));
      assertThat(new MigrationJournal(storage).migrations()).as("%s bytes", length).hasSize(1);
    }
  }

  @Test
  void damageBeforeAGoodRecordIsNotForgottenAtAnyByte() throws JournalException {
    byte[] log = logOf(3);
    for (int at = 0; at < usedBytes(logOf(2)); at++) {
      byte[] damaged = log.clone();
      damaged[at] ^= 0x40;
      MemoryStorage storage = new MemoryStorage();
      storage.setLog(damaged);
      assertThatThrownBy(() -> new MigrationJournal(storage))
          .as("bit flipped in byte %s", at)
          .isInstanceOf(JournalException.class)
          .hasMessageContaining("is damaged at byte");
    }
  }

  @Test
  void aFullDiskRefusesWhatBeginsAndEndsWhatHasBegun() throws JournalException {
    MemoryStorage storage = new MemoryStorage();
    MigrationJournal journal = new MigrationJournal(storage);
    journal.makeRoom();
    put(journal, 1);
    storage.setCapacityBytes(0);
    int records = 1;
    while (storage.log().length - usedBytes(storage.log()) > FrameLog.RESERVE_BYTES / 4) {
      records++;
      put(journal, records);
    }
    assertThat(journal.problem()).isEmpty();
    assertThatThrownBy(journal::makeRoom)
        .isInstanceOf(JournalException.class)
        .hasMessageContaining("No space left on device")
        .hasMessageContaining("free some space");
    assertThat(journal.problem()).get().asString().contains("no migration can begin", "free some");
    // One that fits into what is left of the reserve is no proof of room for a migration.
    put(journal, 999);
    assertThat(journal.problem()).isPresent();
    assertThatThrownBy(
            () -> {
              for (int number = 1_000; number < 2_000; number++) {
                put(journal, number);
              }
            })
        .isInstanceOf(JournalException.class)
        .hasMessageContaining("No space left");
    Optional<Generation> reached = journal.generation(KEY);
    assertThat(new MigrationJournal(storage).generation(KEY)).isEqualTo(reached);
    storage.setCapacityBytes(Long.MAX_VALUE);
    journal.makeRoom();
    assertThat(journal.problem()).isEmpty();
    put(journal, 3_000);
    assertThat(new MigrationJournal(storage).generation(KEY))
        .contains(Generation.at("hostb", 3_000));
  }

  @Test
  void aFullDeviceIsAClearError() throws Exception {
    Files.createSymbolicLink(directory.resolve("journal"), Path.of("/dev/full"));
    try (MigrationJournal journal = MigrationJournal.open(directory)) {
      assertThatThrownBy(() -> put(journal, 1))
          .isInstanceOf(JournalException.class)
          .hasMessageContaining("No space left on device");
      assertThat(journal.migrations()).isEmpty();
    }
  }

  @Test
  void afterAFailedForceNothingIsWritten() throws JournalException {
    MemoryStorage storage = new MemoryStorage();
    MigrationJournal journal = new MigrationJournal(storage);
    storage.setForceFails();
    for (int attempt = 0; attempt < 2; attempt++) {
      assertThatThrownBy(() -> put(journal, 1))
          .isInstanceOf(JournalException.class)
          .hasMessageContaining("restart netchanneld");
      assertThat(journal.problem())
          .get()
          .asString()
          .contains("Input/output error", "owns no more disks", "restart netchanneld");
    }
    assertThat(journal.migrations()).isEmpty();
  }

  /**
   * Or a restart would find a phase that the hook before it did not leave, and refuse that hook.
   */
  @Test
  void aCompactionWritesNoPhaseThatIsOnlyInMemory() throws Exception {
    Migration active = migration(1_000_000);
    try (MigrationJournal journal = MigrationJournal.open(directory)) {
      journal.put(Optional.of(active), Map.of());
      var unused = fill(journal);
      journal.putVolatile(active.moved(Phase.REDIRECT, Instant.EPOCH, "1 disk"));
      journal.makeRoom();
      assertThat(journal.migration(active.id()).map(Migration::phase)).contains(Phase.REDIRECT);
    }
    try (MigrationJournal journal = MigrationJournal.open(directory)) {
      assertThat(journal.migration(active.id()).map(Migration::phase)).contains(active.phase());
    }
  }

  /** A record after it could stand in a file that has no name after a power cut. */
  @Test
  void afterACompactionWhoseNameMayNotLastNothingIsWritten() throws Exception {
    AtomicBoolean fails = new AtomicBoolean();
    FileJournalStorage.DirectorySync sync =
        synced -> {
          if (fails.get()) {
            throw new IOException("Input/output error");
          }
        };
    try (MigrationJournal journal = new MigrationJournal(new FileJournalStorage(directory, sync))) {
      int number = fill(journal);
      fails.set(true);
      assertThatThrownBy(journal::makeRoom)
          .isInstanceOf(JournalException.class)
          .hasMessageContaining("owns no more disks and gives none away");
      fails.set(false);
      assertThatThrownBy(() -> put(journal, number + 1))
          .isInstanceOf(JournalException.class)
          .hasMessageContaining("restart netchanneld");
    }
    try (MigrationJournal journal = MigrationJournal.open(directory)) {
      assertThat(journal.generation(KEY)).isPresent();
    }
  }

  /** Until it is to be compacted. */
  private int fill(MigrationJournal journal) throws JournalException {
    int number = 0;
    while (directory.resolve("journal").toFile().length()
        <= FrameLog.COMPACT_BYTES + FrameLog.RESERVE_BYTES) {
      number++;
      Migration over = migration(number).moved(Phase.COMMIT, Instant.EPOCH, "over");
      journal.put(Optional.of(over), Map.of(KEY, Generation.here(number)));
    }
    return number;
  }

  @Test
  void isCompacted() throws JournalException {
    try (MigrationJournal journal = MigrationJournal.open(directory)) {
      Path log = directory.resolve("journal");
      int number = fill(journal);
      journal.makeRoom();
      assertThat(log.toFile().length()).isLessThan(2L * FrameLog.RESERVE_BYTES);
      put(journal, number + 1);
    }
    try (MigrationJournal journal = MigrationJournal.open(directory)) {
      assertThat(journal.migrations()).hasSize(MigrationJournal.KEPT_MIGRATIONS + 1);
      assertThat(journal.generation(KEY)).isPresent();
    }
  }
}
