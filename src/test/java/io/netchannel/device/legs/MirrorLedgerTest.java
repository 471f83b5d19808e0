package io.netchannel.device.legs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Optional;
import java.util.Queue;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a host knows of legs elsewhere outlives it, and only grows. */
final class MirrorLedgerTest {
  private static final String DISK = "6b0f/xvdb";
  private static final ImmutableList<String> LEGS =
      ImmutableList.of("netchannel://hosta/w", "netchannel://hostb/w");
  private static final MirrorRecord FIRST =
      MirrorRecord.first(new UUID(7, 7), 1, 4096, LEGS, LEGS.get(0));

  @TempDir private Path directory;

  private MirrorLedger open() {
    return MirrorLedger.open(directory.resolve("mirrors"), Runnable::run);
  }

  private static Optional<String> put(
      MirrorLedger ledger, String disk, long generation, MirrorRecord record) {
    return ledger.put(disk, generation, Optional.of(record)).join();
  }

  @Test
  void itIsThereAfterARestart() throws Exception {
    assertThat(open().get(DISK)).isEmpty();
    MirrorRecord both = FIRST.next(1, LEGS);
    assertThat(put(open(), DISK, 3, FIRST)).isEmpty();
    assertThat(put(open(), "other/xvda", 1, FIRST)).isEmpty();
    assertThat(put(open(), DISK, 4, both)).isEmpty();
    assertThat(open().get(DISK)).contains(new MirrorLedger.Entry(4, both));
    assertThat(open().get("other/xvda")).isPresent();
    assertThat(open().put(DISK, 4, Optional.empty()).join()).isEmpty();
    assertThat(open().get(DISK)).isEmpty();
  }

  @Test
  void nothingOlderTakesItsPlace() throws Exception {
    MirrorLedger ledger = open();
    MirrorRecord both = FIRST.next(1, LEGS);
    assertThat(put(ledger, DISK, 3, both)).isEmpty();
    assertThat(put(ledger, DISK, 2, both.next(1, LEGS)).orElseThrow())
        .contains("with generation 3, and not with 2");
    assertThat(put(ledger, DISK, 3, FIRST).orElseThrow())
        .contains("epoch " + both.epoch(), "is known already");
    assertThat(put(ledger, DISK, 3, FIRST.next(1, ImmutableList.of(LEGS.get(1)))))
        .as("of one epoch, and another one")
        .isPresent();
    assertThat(put(ledger, DISK, 3, both)).as("told twice").isEmpty();
    MirrorRecord another = MirrorRecord.first(new UUID(8, 8), 1, 4096, LEGS, LEGS.get(1));
    assertThat(put(ledger, DISK, 3, another)).as("another mirror").isEmpty();
    assertThat(open().get(DISK)).contains(new MirrorLedger.Entry(3, another));
  }

  @Test
  void nobodyWaitsForTheStorageOfAnotherDisk() throws Exception {
    Queue<Runnable> storage = new ArrayDeque<>();
    MirrorLedger ledger = MirrorLedger.open(directory.resolve("mirrors"), storage::add);
    CompletableFuture<Optional<String>> first = ledger.put(DISK, 3, Optional.of(FIRST));
    CompletableFuture<Optional<String>> second = ledger.put("other/xvda", 1, Optional.of(FIRST));
    assertThat(ledger.get(DISK)).as("durable by now").isEmpty();
    while (!storage.isEmpty()) {
      storage.remove().run();
    }
    assertThat(first.join()).isEmpty();
    assertThat(second.join()).isEmpty();
    assertThat(open().get(DISK)).isPresent();
    assertThat(open().get("other/xvda")).isPresent();
  }

  @Test
  void aDamagedOneIsNotGuessedAt() throws Exception {
    assertThat(put(open(), DISK, 3, FIRST)).isEmpty();
    Path file = directory.resolve("mirrors");
    String text = Files.readString(file);
    for (String damaged :
        new String[] {
          text.replace(FIRST.epoch() + " open", FIRST.next(1, LEGS).epoch() + " open"),
          text.replace("mirrors 1", "mirrors 2"),
          text.substring(0, text.length() / 2),
          "",
        }) {
      Files.writeString(file, damaged);
      MirrorLedger ledger = open();
      assertThatThrownBy(() -> ledger.get(DISK))
          .isInstanceOf(IOException.class)
          .hasMessageContainingAll("is damaged: expected", "when both legs of each are there");
      assertThatThrownBy(() -> put(ledger, DISK, 3, FIRST)).hasCauseInstanceOf(IOException.class);
      assertThat(Files.readString(file)).isEqualTo(damaged);
    }
  }
}
