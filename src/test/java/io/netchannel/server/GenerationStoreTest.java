package io.netchannel.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.hash.Hashing;
import io.netchannel.files.MountedStorage;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class GenerationStoreTest {
  private static final Instant NOW = Instant.parse("2026-11-23T10:00:00Z");

  @TempDir private Path directory;

  private static GenerationStore.Entry entry(String client, long generation, boolean held) {
    UUID storage = new UUID(generation, 5);
    return new GenerationStore.Entry(
        client, generation, held, NOW, storage, "file:/srv/disk %s\n\u00e4".formatted(client));
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

  /** Every change of one character, and every shorter file, is noticed. */
  @Test
  void aDamagedFileIsNotGuessedAt() throws Exception {
    GenerationStore.open(file()).put(entry("a/xvda", 3, true));
    String good = Files.readString(file());
    for (int i = 0; i < good.length() - 1; i++) {
      isDamaged(good.substring(0, i));
      isDamaged(good.substring(0, i) + (char) (good.charAt(i) ^ 1) + good.substring(i + 1));
    }
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
      String sum = Hashing.crc32c().hashString(lines, StandardCharsets.US_ASCII).toString();
      String text = lines + "crc32c " + sum + "\n";
      isDamaged(text);
    }
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
