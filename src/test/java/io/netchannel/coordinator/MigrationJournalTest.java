package io.netchannel.coordinator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import io.netchannel.files.MemoryFiles;
import io.netchannel.files.MemoryFiles.Operation;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

final class MigrationJournalTest {
  private static final UUID DOMAIN = new UUID(1, 2);
  private static final DeviceKey KEY = new DeviceKey(DOMAIN, "xvda");

  private static final long SEED = 20260101;
  private static final int RUNS = 1_000;

  /** More than the calls that six migrations and a restart make. */
  private static final int CALLS = 60;

  @TempDir Path directory;

  private static Migration migration(int number) {
    LocalDevices.GuestDevice disk =
        LocalDevices.GuestDevice.disk(DOMAIN, "xvda", "file:/x", true, 4096, number);
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

  @Test
  void devicesKeepTheirKindsAndThoseWithoutOneAreDisks() throws Exception {
    LocalDevices.GuestDevice port =
        LocalDevices.GuestDevice.usbPort(DOMAIN, "usb1", "netchannel://hosta/usb/x", 7);
    Migration both = migration(1);
    both =
        both.withDevices(
            List.of(Migration.MovedDevice.of(port), both.devices().get(0).as("netchannel://b/x")));
    byte[] encoded = JournalCodec.encode(JournalRecord.of(both, Map.of()));
    assertThat(JournalCodec.decode(encoded).migration()).contains(both);
    var record = io.netchannel.coordinator.journal.v1.Record.parseFrom(encoded).toBuilder();
    record.getMigrationBuilder().getDevicesBuilder(0).clearKind(); // as an older version wrote it
    assertThat(
            JournalCodec.decode(record.build().toByteArray()).migration().orElseThrow().devices())
        .extracting(moved -> moved.device().kind())
        .containsOnly(LocalDevices.Kind.DISK);
    record.getMigrationBuilder().getDevicesBuilder(0).setKindValue(9);
    assertThatThrownBy(() -> JournalCodec.decode(record.build().toByteArray()))
        .isInstanceOf(JournalException.class)
        .hasMessageContaining("newer netchanneld");
  }

  private static void put(MigrationJournal journal, int number) throws JournalException {
    journal.put(JournalRecord.of(migration(number), Map.of(KEY, Generation.at("hostb", number))));
  }

  private static MemoryFiles disk() {
    return new MemoryFiles(new Random(SEED), () -> {});
  }

  private static MemoryFiles diskWith(byte[] log) {
    MemoryFiles disk = disk();
    disk.put(JournalInMemory.LOG, log);
    return disk;
  }

  private static MigrationJournal open(MemoryFiles disk) throws JournalException {
    return JournalInMemory.open(disk);
  }

  /** What a power cut leaves of the log at least. */
  private static byte[] log(MemoryFiles disk) {
    try {
      return disk.worstCase().read(JournalInMemory.LOG).orElseThrow();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static byte[] logOf(int records) throws JournalException {
    MemoryFiles disk = disk();
    MigrationJournal journal = open(disk);
    for (int number = 1; number <= records; number++) {
      put(journal, number);
    }
    return log(disk);
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
      byte[] log = Arrays.copyOf(two, two.length);
      System.arraycopy(three, begin, log, begin, torn - begin);
      MemoryFiles disk = diskWith(log);
      MigrationJournal journal = open(disk);
      assertThat(journal.migrations()).as("torn at %s", torn).hasSize(2);
      put(journal, 4);
      assertThat(open(disk).migrations())
          .as("torn at %s, then written", torn)
          .containsExactly(migration(1), migration(2), migration(4));
    }
  }

  @Test
  void aFileThatEndsInTheLastRecordIsCutOffAtEveryByte() throws JournalException {
    byte[] log = logOf(2);
    int begin = usedBytes(logOf(1));
    for (int length = begin; length < usedBytes(log); length++) {
      assertThat(open(diskWith(Arrays.copyOf(log, length))).migrations())
          .as("%s bytes", length)
          .hasSize(1);
    }
  }

  @Test
  void damageBeforeAGoodRecordIsNotForgottenAtAnyByte() throws JournalException {
    byte[] log = logOf(3);
    for (int at = 0; at < usedBytes(logOf(2)); at++) {
      byte[] damaged = log.clone();
      damaged[at] ^= 0x40;
      assertThatThrownBy(() -> open(diskWith(damaged)))
          .as("bit flipped in byte %s", at)
          .isInstanceOf(JournalException.class)
          .hasMessageContaining("is damaged at byte");
    }
  }

  @Test
  void aFullDiskRefusesWhatBeginsAndEndsWhatHasBegun() throws JournalException {
    MemoryFiles disk = disk();
    MigrationJournal journal = open(disk);
    journal.makeRoom();
    put(journal, 1);
    disk.setFull(true);
    int records = 1;
    while (log(disk).length - usedBytes(log(disk)) > FrameLog.RESERVE_BYTES / 4) {
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
    // Also a daemon that is started there knows what it has.
    MigrationJournal restarted = open(disk);
    assertThat(restarted.generation(KEY)).isEqualTo(reached);
    assertThat(restarted.problem()).get().asString().contains("no migration can begin");
    disk.setFull(false);
    journal.makeRoom();
    assertThat(journal.problem()).isEmpty();
    put(journal, 3_000);
    assertThat(open(disk).generation(KEY)).contains(Generation.at("hostb", 3_000));
  }

  @Test
  void afterAFailedForceNothingIsWritten() throws JournalException {
    MemoryFiles disk = disk();
    MigrationJournal journal = open(disk);
    disk.breaks(Operation.FORCE);
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
      journal.put(JournalRecord.of(active, Map.of()));
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
  @ParameterizedTest
  @EnumSource(names = {"RENAME", "FORCE_DIRECTORY"})
  void afterACompactionWhoseNameMayNotLastNothingIsWritten(Operation failing) throws Exception {
    for (int seed = 0; seed < 8; seed++) {
      MemoryFiles disk = new MemoryFiles(new Random(seed), () -> {});
      MigrationJournal journal = open(disk);
      int number = fillWithLongOnes(journal);
      disk.breaks(failing);
      assertThatThrownBy(journal::makeRoom)
          .isInstanceOf(JournalException.class)
          .hasMessageContaining("owns no more disks and gives none away");
      disk.isMended();
      int given = number + 1;
      assertThatThrownBy(() -> put(journal, given))
          .isInstanceOf(JournalException.class)
          .hasMessageContaining("restart netchanneld");
      MigrationJournal restarted = open(disk);
      assertThat(restarted.problem()).isEmpty();
      put(restarted, given);
      assertThat(open(disk.worstCase()).generation(KEY)).contains(Generation.at("hostb", given));
    }
  }

  /** Or its records went to a file that nobody will read. */
  @Test
  void aCompactionThatFailsBeforeItsRenameChangesNothing() throws Exception {
    for (Operation failing : List.of(Operation.OPEN, Operation.WRITE)) {
      MemoryFiles disk = disk();
      MigrationJournal journal = open(disk);
      int number = fillWithLongOnes(journal);
      disk.breaks(failing);
      assertThatThrownBy(journal::makeRoom).hasMessageContaining("cannot compact");
      assertThat(journal.problem()).get().asString().contains("no migration can begin");
      disk.isMended();
      put(journal, number + 1);
      assertThat(open(disk.worstCase()).generation(KEY))
          .contains(Generation.at("hostb", number + 1));
    }
  }

  /** Likewise, in few records. */
  private static int fillWithLongOnes(MigrationJournal journal) throws JournalException {
    String detail = "x".repeat(FrameLog.COMPACT_BYTES / 32);
    int number = 0;
    while (number <= 32) {
      number++;
      Migration over = migration(number).moved(Phase.COMMIT, Instant.EPOCH, detail);
      journal.put(JournalRecord.of(over, Map.of(KEY, Generation.here(number))));
    }
    return number;
  }

  /** Whether all of it was acknowledged is known from the number alone. */
  private static int write(MigrationJournal journal, int number, int acknowledged) {
    try {
      journal.makeRoom();
      journal.putManifest(migration(number).id(), 0, ByteString.copyFromUtf8("of " + number));
      put(journal, number);
      return number;
    } catch (JournalException e) {
      return acknowledged;
    }
  }

  /** Every call of every kind fails once, then more of them, then the power goes. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void noAcknowledgedRecordIsLostWhateverFails(boolean restartsFirst) throws JournalException {
    int failures = 0;
    for (int seed = 0; seed < RUNS; seed++) {
      String what = "seed " + seed;
      MemoryFiles disk = new MemoryFiles(new Random(seed), () -> {});
      MigrationJournal journal = open(disk);
      int acknowledged = write(journal, 1, 0);
      disk.failsAt(disk.operations() + 1 + seed % CALLS);
      disk.setFailureRate(seed < RUNS / 2 ? 0 : 0.2);
      for (int number = 2; number < 6; number++) {
        acknowledged = write(journal, number, acknowledged);
      }
      disk.setFull(seed % 3 == 0);
      acknowledged = write(journal, 6, acknowledged);
      disk.setFull(false);
      if (restartsFirst) {
        // What is read is in the cache, and may not be durable.
        try {
          journal = open(disk);
          acknowledged = write(journal, 7, acknowledged);
        } catch (JournalException e) {
          assertThat(e).as(what).hasMessageContaining("cannot");
        }
      }
      failures += disk.failures();
      disk.isMended();
      disk.cutPower();
      MigrationJournal after = open(disk);
      assertThat(after.generation(KEY).orElseThrow().number())
          .as(what)
          .isGreaterThanOrEqualTo(acknowledged);
      assertThat(after.migration(migration(acknowledged).id())).as(what).isPresent();
      assertThat(after.manifest(migration(acknowledged).id(), 0).toStringUtf8())
          .as(what)
          .isEqualTo("of " + acknowledged);
      put(after, 9);
      disk.cutPower();
      assertThat(open(disk).generation(KEY)).as(what).contains(Generation.at("hostb", 9));
    }
    assertThat(failures).isGreaterThan(RUNS / 2);
  }

  /** Until it is to be compacted. */
  private int fill(MigrationJournal journal) throws JournalException {
    int number = 0;
    while (directory.resolve("journal").toFile().length()
        <= FrameLog.COMPACT_BYTES + FrameLog.RESERVE_BYTES) {
      number++;
      Migration over = migration(number).moved(Phase.COMMIT, Instant.EPOCH, "over");
      journal.put(JournalRecord.of(over, Map.of(KEY, Generation.here(number))));
    }
    return number;
  }

  @Test
  void whatASourceWasNotToldOfIsNotForgotten() throws JournalException {
    MemoryFiles disk = disk();
    MigrationJournal journal = open(disk);
    Migration first = migration(0).moved(Phase.COMMIT, Instant.EPOCH, "over").untold(true);
    journal.put(JournalRecord.of(first, Map.of()));
    for (int number = 1; number <= MigrationJournal.KEPT_MIGRATIONS + 1; number++) {
      Migration over = migration(number).moved(Phase.COMMIT, Instant.EPOCH, "over");
      journal.put(JournalRecord.of(over, Map.of()));
    }
    journal = open(disk);
    assertThat(journal.migration(first.id())).contains(first);
    journal.put(JournalRecord.of(first.untold(false), Map.of()));
    assertThat(open(disk).migration(first.id())).isEmpty();
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
