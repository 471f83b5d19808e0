package io.netchannel.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import com.google.common.hash.Hashing;
import io.netchannel.device.legs.MirrorRecord;
import io.netchannel.files.MemoryFiles;
import io.netchannel.files.MountedStorage;
import io.netchannel.files.UncertainFileException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class GenerationStoreTest {
  private static final Instant NOW = Instant.parse("2026-11-23T10:00:00Z");

  private static final int RUNS = 50;

  @TempDir private Path directory;

  private static GenerationStore.Entry entry(String client, long generation, boolean held) {
    UUID storage = new UUID(generation, 5);
    return new GenerationStore.Entry(
        client,
        generation,
        held,
        NOW,
        storage,
        "file:/srv/disk %s\n\u00e4".formatted(client),
        Optional.empty());
  }

  private static GenerationStore.Entry moved(String client, long generation, boolean held) {
    return entry(client, generation, held)
        .with(Optional.of(new OutOfDate(false, Optional.of("file:/new %\u00e4"), NOW)));
  }

  /** The first choices of neighbouring seeds are the same ones. */
  private static Random random(int seed) {
    return new Random(seed * 0x9e3779b97f4a7c15L);
  }

  private Path file() {
    return directory.resolve("vol7.generations");
  }

  @Test
  void isThereAgain() throws Exception {
    GenerationStore store = GenerationStore.open(file());
    store.put(entry("a/xvda", 3, true));
    store.put(entry("b/xvda", 1, false));
    store.put(entry("a/xvda", 4, true));

    GenerationStore again = GenerationStore.open(file());
    assertThat(again.get("a/xvda")).contains(entry("a/xvda", 4, true));
    assertThat(again.get("b/xvda")).contains(entry("b/xvda", 1, false));
    assertThat(again.get("c/xvda")).isEmpty();
    assertThat(again.held()).extracting(GenerationStore.Entry::client).containsExactly("a/xvda");
  }

  @Test
  void whoseDiskIsElsewhereIsThereAgain() throws Exception {
    GenerationStore store = GenerationStore.open(file());
    GenerationStore.Entry partial =
        entry("b/xvda", 7, true).with(Optional.of(new OutOfDate(true, Optional.empty(), NOW)));
    GenerationStore.Entry both =
        entry("c/xvda", 8, false)
            .with(Optional.of(new OutOfDate(true, Optional.of("nbd://hostb/c"), NOW)));
    for (GenerationStore.Entry each :
        List.of(moved("a/xvda", 3, false), partial, both, entry("d/xvda", 1, true))) {
      store.put(each);
    }
    GenerationStore again = GenerationStore.open(file());
    assertThat(again.outOfDate()).containsExactly(moved("a/xvda", 3, false), partial, both);
    assertThat(again.get("d/xvda")).contains(entry("d/xvda", 1, true));
    // What else changes leaves that as it is.
    again.put(both.with(9, true, NOW).with(new UUID(4, 4)));
    assertThat(GenerationStore.open(file()).get("c/xvda").orElseThrow().outOfDate())
        .isEqualTo(both.outOfDate());
  }

  /** One that does not know these would let in whom they keep out, and no other file is kept. */
  @Test
  void whoseDiskHasTwoLegsIsThereAgain() throws Exception {
    ImmutableList<String> legs =
        ImmutableList.of("netchannel://hosta/w", "netchannel+unix:///w?socket=/a b,c");
    Optional<MirrorRecord> record =
        Optional.of(new MirrorRecord(new UUID(7, 7), 5, true, 8 << 20, legs, legs));
    GenerationStore store = GenerationStore.open(file());
    store.put(entry("a/xvda", 3, true).withMirror(record));
    store.put(moved("b/xvda", 4, false).withMirror(record));
    store.put(moved("c/xvda", 5, false));
    store.put(entry("mirror", 1, false)); // which is a word of the file, too
    assertThat(Files.readString(file())).startsWith("netchannel generations 3\n");
    GenerationStore again = GenerationStore.open(file());
    assertThat(again.get("a/xvda")).contains(entry("a/xvda", 3, true).withMirror(record));
    assertThat(again.get("b/xvda")).contains(moved("b/xvda", 4, false).withMirror(record));
    assertThat(again.get("c/xvda")).contains(moved("c/xvda", 5, false));
    assertThat(again.get("mirror")).contains(entry("mirror", 1, false));
    again.put(entry("a/xvda", 6, true));
    again.put(moved("b/xvda", 6, true));
    assertThat(Files.readString(file()))
        .as("with none an older server understands it")
        .startsWith("netchannel generations 2\n");
  }

  @Test
  void anOlderServerUnderstandsTheFileUnlessADiskIsElsewhere() throws Exception {
    GenerationStore store = GenerationStore.open(file());
    store.put(entry("a/xvda", 3, true));
    String plain = Files.readString(file());
    assertThat(plain)
        .matches(
            "netchannel generations 1\n3 held \\d+ \\S+ a/xvda file\\S+\ncrc32c [0-9a-f]{8}\n");
    store.put(moved("a/xvda", 3, true));
    assertThat(Files.readString(file()))
        .startsWith("netchannel generations 2\n")
        .contains(" moved " + NOW.toEpochMilli() + " file%3A%2Fnew+%25%C3%A4\n");
    GenerationStore.open(file()).put(entry("a/xvda", 3, true));
    assertThat(Files.readString(file())).isEqualTo(plain);
  }

  /** Or a client would be let in that is not fenced off after a restart. */
  @Test
  void aFullFileSystemRefusesAChangeAndKeepsWhatWas() throws Exception {
    try (MountedStorage small = MountedStorage.tmpfs(directory.resolve("small"), 64 << 10)) {
      Path file = directory.resolve("small/vol7.generations");
      GenerationStore store = GenerationStore.open(file);
      store.put(entry("a/xvda", 3, true));
      small.fill();
      assertThatThrownBy(() -> store.put(entry("a/xvda", 4, true)))
          .isInstanceOf(IOException.class)
          .hasMessageContaining(file + " cannot be written and is as it was")
          .hasMessageContaining("No space left on device")
          .hasMessageContaining("make room");
      assertThat(store.get("a/xvda")).contains(entry("a/xvda", 3, true));
      assertThat(GenerationStore.open(file).get("a/xvda")).contains(entry("a/xvda", 3, true));
      small.makeRoom();
      store.put(entry("a/xvda", 4, true));
      assertThat(GenerationStore.open(file).get("a/xvda")).contains(entry("a/xvda", 4, true));
      small.makeReadOnly();
      assertThatThrownBy(() -> store.put(entry("a/xvda", 5, true)))
          .hasMessageContaining("Read-only file system");
      assertThat(store.get("a/xvda")).contains(entry("a/xvda", 4, true));
    }
  }

  /** Or a power cut brings a client back that was fenced when the one of today was let in. */
  @Test
  void whatWasFoundIsDurableWhenItIsRenewed() throws Exception {
    Path file = Path.of("/state/vol7.generations");
    Set<Long> found = new HashSet<>();
    for (int seed = 0; seed < RUNS; seed++) {
      MemoryFiles disk = new MemoryFiles(random(seed), () -> {});
      GenerationStore killed = GenerationStore.open(disk, file);
      killed.put(entry("a/xvda", 3, true));
      disk.breaks(MemoryFiles.Operation.FORCE_DIRECTORY);
      assertThatThrownBy(() -> killed.put(entry("a/xvda", 4, true)))
          .isInstanceOf(UncertainFileException.class);
      disk.isMended();
      GenerationStore next = GenerationStore.open(disk, file);
      next.renew();
      disk.cutPower();
      assertThat(GenerationStore.open(disk, file).get("a/xvda"))
          .as("seed %s", seed)
          .isEqualTo(next.get("a/xvda"));
      found.add(next.get("a/xvda").orElseThrow().generation());
    }
    assertThat(found).as("what the killed one was not sure of").contains(4L);
  }

  /** It goes on with what was before, which the file need not be. */
  @Test
  void whatWasBeforeAnUncertainChangeIsDurableWhenItIsRenewed() throws Exception {
    Path file = Path.of("/state/vol7.generations");
    for (int seed = 0; seed < RUNS; seed++) {
      MemoryFiles disk = new MemoryFiles(random(seed), () -> {});
      GenerationStore store = GenerationStore.open(disk, file);
      store.put(entry("a/xvda", 3, true));
      disk.breaks(MemoryFiles.Operation.RENAME);
      assertThatThrownBy(() -> store.put(entry("a/xvda", 4, true)))
          .isInstanceOf(UncertainFileException.class);
      assertThatThrownBy(store::renew).isInstanceOf(UncertainFileException.class);
      disk.isMended();
      store.renew();
      disk.cutPower();
      assertThat(GenerationStore.open(disk, file).get("a/xvda"))
          .as("seed %s", seed)
          .contains(entry("a/xvda", 3, true));
    }
  }

  @Test
  void isRenewedOnce() throws Exception {
    Path file = Path.of("/state/vol7.generations");
    MemoryFiles disk = new MemoryFiles(new Random(0), () -> {});
    GenerationStore.open(disk, file).put(entry("a/xvda", 3, true));
    GenerationStore store = GenerationStore.open(disk, file);
    int before = disk.operations();
    store.renew();
    int once = disk.operations();
    assertThat(once).isGreaterThan(before);
    store.renew();
    assertThat(disk.operations()).isEqualTo(once);
  }

  @Test
  void forgetsTheOldestThatHoldNothing() throws Exception {
    GenerationStore store = GenerationStore.open(file());
    store.put(entry("holder", 1, true));
    for (int i = 0; i < GenerationStore.MAX_CLIENTS; i++) {
      store.put(entry("c" + i, 1, false));
    }
    assertThat(store.get("holder")).isPresent();
    assertThat(store.get("c0")).isEmpty();
    assertThat(store.get("c1")).isPresent();
  }

  @Test
  void toolsThatComeAndGoDoNotMakeItForgetWhoIsFenced() throws Exception {
    GenerationStore store = GenerationStore.open(file());
    store.put(entry("guest/xvda", 7, false));
    for (int i = 0; i < GenerationStore.MAX_CLIENTS + 10; i++) {
      store.put(entry("tool/" + i, 1, false));
    }
    assertThat(store.get("guest/xvda")).isPresent();
  }

  /** Who starts from there again would not be told; of so many, some are told no more. */
  @Test
  void whoseDiskIsElsewhereIsForgottenLast() throws Exception {
    Path file = Path.of("/state/vol7.generations");
    MemoryFiles disk = new MemoryFiles(random(0), () -> {});
    GenerationStore store = GenerationStore.open(disk, file);
    store.put(moved("first", 1, false));
    store.put(moved("held", 1, true));
    for (int i = 0; i < GenerationStore.MAX_CLIENTS; i++) {
      store.put(entry("guest/" + i, 7, false));
    }
    assertThat(store.get("first")).isPresent();
    for (int i = 0; i < GenerationStore.MAX_CLIENTS - 2; i++) {
      store.put(moved("left/" + i, 1, false));
    }
    assertThat(store.get("first")).as("instead of all others").isPresent();
    assertThat(store.get("guest/" + (GenerationStore.MAX_CLIENTS - 1))).isEmpty();
    store.put(moved("newest", 1, false));
    assertThat(store.get("first")).as("the oldest goes").isEmpty();
    assertThat(store.get("held")).isPresent();
    assertThat(store.get("newest")).isPresent();
  }

  @Test
  void aDamagedFileOfVersionOneIsNotGuessedAt() throws Exception {
    GenerationStore.open(file()).put(entry("a/xvda", 3, true));
    isDamagedByAnyChange();
  }

  @Test
  void aDamagedFileOfVersionTwoIsNotGuessedAt() throws Exception {
    GenerationStore.open(file()).put(moved("a/xvda", 3, true));
    isDamagedByAnyChange();
    for (String rest :
        List.of(
            " ",
            " moved",
            " moved 5",
            " moved x p",
            " moved 5 p%x",
            " moved 5 p q",
            " gone 5 p",
            " partial",
            " partial x",
            " partial 5 p q")) {
      isDamaged(
          summed("netchannel generations 2\n1 held 1 %s a p%s\n".formatted(new UUID(1, 2), rest)));
    }
    isDamaged(
        summed("netchannel generations 1\n1 held 1 %s a p moved 5 p\n".formatted(new UUID(1, 2))));
  }

  /** Every change of one character, and every shorter file, is noticed. */
  private void isDamagedByAnyChange() throws Exception {
    String good = Files.readString(file());
    for (int i = 0; i < good.length() - 1; i++) {
      isDamaged(good.substring(0, i));
      isDamaged(good.substring(0, i) + (char) (good.charAt(i) ^ 1) + good.substring(i + 1));
    }
  }

  @Test
  void aLineThatIsNoneIsNotGuessedAt() throws Exception {
    for (String line :
        List.of(
            "0 held 1 STORAGE a p",
            "-1 held 1 STORAGE a p",
            "x held 1 STORAGE a p",
            "1 kept 1 STORAGE a p",
            "1 held 1 5 a p",
            "1 held 1 STORAGE a p%x",
            "1 held 1 STORAGE a",
            "1 held 1 STORAGE a p q",
            "1 held")) {
      String lines =
          "netchannel generations 1\n" + line.replace("STORAGE", new UUID(1, 2).toString()) + "\n";
      isDamaged(summed(lines));
    }
  }

  private static String summed(String lines) {
    String sum = Hashing.crc32c().hashString(lines, StandardCharsets.US_ASCII).toString();
    return lines + "crc32c " + sum + "\n";
  }

  private void isDamaged(String text) throws IOException {
    Files.writeString(file(), text);
    assertThatThrownBy(() -> GenerationStore.open(file()))
        .as(text)
        .isInstanceOf(IOException.class)
        .hasMessageContaining("is damaged: expected");
  }

  @Test
  void nothingChangesWhenItCannotBeStored() throws Exception {
    Path missing = directory.resolve("missing/vol7.generations");
    GenerationStore store = GenerationStore.open(missing);
    assertThatThrownBy(() -> store.put(entry("a/xvda", 3, true))).isInstanceOf(IOException.class);
    assertThat(store.get("a/xvda")).isEmpty();
  }
}
