package io.netchannel.coordinator;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Disks that are opened at the same time. */
@Timeout(60)
final class SideBySideTest {
  private static final Duration LONG = Duration.ofHours(1);

  private final SideBySide disks = new SideBySide();
  private final CompletableFuture<Void> xvda = new CompletableFuture<>();
  private final CompletableFuture<Void> xvdb = new CompletableFuture<>();

  SideBySideTest() {
    disks.add("opening xvda", xvda);
    disks.add("opening xvdb", xvdb);
  }

  @Test
  void theFirstFailureEndsItWhileTheOthersHang() {
    xvdb.completeExceptionally(new IllegalStateException("no such file"));
    assertThatThrownBy(() -> disks.await(LONG))
        .isInstanceOf(MigrationRefusedException.class)
        .hasMessage("opening xvdb: no such file");
  }

  @Test
  void aFailureOfALaterStageHasItsOwnWords() {
    SideBySide staged = new SideBySide();
    staged.add(
        "opening xvda",
        CompletableFuture.failedFuture(new IllegalStateException("no such file"))
            .thenCompose(opened -> new CompletableFuture<Void>())
            .thenRun(() -> {}));
    assertThatThrownBy(() -> staged.await(LONG)).hasMessage("opening xvda: no such file");
  }

  @Test
  void allThatHangShareOneBoundAndAreNamed() {
    assertThatThrownBy(() -> disks.await(Duration.ofMillis(20)))
        .isInstanceOf(MigrationRefusedException.class)
        .hasMessage("opening xvda, opening xvdb: not done within 20 ms; does its storage answer?");
    xvda.complete(null);
    assertThatThrownBy(() -> disks.await(Duration.ofMillis(20)))
        .hasMessageStartingWith("opening xvdb: not done");
  }

  @Test
  void allAreWaitedFor() {
    xvda.complete(null);
    xvdb.completeOnTimeout(null, 20, TimeUnit.MILLISECONDS);
    assertThatCode(() -> disks.await(LONG)).doesNotThrowAnyException();
    assertThatCode(() -> new SideBySide().await(LONG)).as("nothing").doesNotThrowAnyException();
  }
}
