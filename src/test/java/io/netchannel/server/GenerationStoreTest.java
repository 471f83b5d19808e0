package io.netchannel.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class GenerationStoreTest {
  private static final Instant NOW = Instant.parse("2026-11-23T10:00:00Z");

  @TempDir private Path directory;

  private Path file() {
    return directory.resolve("vol7.generations");
  }

  @Test
  void isThereAgain() throws Exception {
    GenerationStore store = GenerationStore.open(file());
    store.put(new GenerationStore.Entry("a/xvda", 3, true, NOW));
    store.put(new GenerationStore.Entry("b/xvda", 1, false, NOW));
    store.put(new GenerationStore.Entry("a/xvda", 4, true, NOW));

    GenerationStore again = GenerationStore.open(file());
    assertThat(again.get("a/xvda")).contains(new GenerationStore.Entry("a/xvda", 4, true, NOW));
    assertThat(again.get("b/xvda")).contains(new GenerationStore.Entry("b/xvda", 1, false, NOW));
    assertThat(again.get("c/xvda")).isEmpty();
    assertThat(again.held()).extracting(GenerationStore.Entry::client).containsExactly("a/xvda");
  }

  @Test
  void forgetsTheOldestThatHoldNothing() throws Exception {
    GenerationStore store = GenerationStore.open(file());
    store.put(new GenerationStore.Entry("holder", 1, true, NOW));
    for (int i = 0; i < GenerationStore.MAX_CLIENTS; i++) {
      store.put(new GenerationStore.Entry("c" + i, 1, false, NOW));
    }
    assertThat(store.get("holder")).isPresent();
    assertThat(store.get("c0")).isEmpty();
    assertThat(store.get("c1")).isPresent();
  }

  @Test
  void toolsThatComeAndGoDoNotMakeItForgetWhoIsFenced() throws Exception {
    GenerationStore store = GenerationStore.open(file());
    store.put(new GenerationStore.Entry("guest/xvda", 7, false, NOW));
    for (int i = 0; i < GenerationStore.MAX_CLIENTS + 10; i++) {
      store.put(new GenerationStore.Entry("tool/" + i, 1, false, NOW));
    }
    assertThat(store.get("guest/xvda")).isPresent();
  }

  /** Every change of one character, and every shorter file, is noticed. */
  @Test
  void aDamagedFileIsNotGuessedAt() throws Exception {
    GenerationStore.open(file()).put(new GenerationStore.Entry("a/xvda", 3, true, NOW));
    String good = Files.readString(file());
    for (int i = 0; i < good.length() - 1; i++) {
      isDamaged(good.substring(0, i));
      isDamaged(good.substring(0, i) + (char) (good.charAt(i) ^ 1) + good.substring(i + 1));
    }
    for (String line :
        List.of(
            "0 held 1 a", "-1 held 1 a", "x held 1 a", "1 kept 1 a", "1 held 1 a b", "1 held")) {
      String text = "netchannel generations 1\n" + line + "\n";
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
    assertThatThrownBy(() -> store.put(new GenerationStore.Entry("a/xvda", 3, true, NOW)))
        .isInstanceOf(IOException.class);
    assertThat(store.get("a/xvda")).isEmpty();
  }
}
