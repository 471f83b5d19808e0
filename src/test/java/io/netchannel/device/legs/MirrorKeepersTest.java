package io.netchannel.device.legs;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import io.netchannel.device.DeviceException;
import io.netchannel.files.MemoryFiles;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Who is told of a record, in which order, and what is known when that fails. */
final class MirrorKeepersTest {
  private static final String USER = "web1/xvda";
  private static final long GENERATION = 3;
  private static final ImmutableList<String> BOTH = ImmutableList.of("A", "B");
  private static final ImmutableList<String> A = ImmutableList.of("A");
  private static final ImmutableList<String> B = ImmutableList.of("B");
  private static final MirrorRecord FIRST =
      MirrorRecord.first(new UUID(7, 7), 1, 4096, BOTH, "A").next(1, BOTH);

  /** What becomes of a record that it is told. */
  private enum Answer {
    KEEPS,
    KEEPS_SILENTLY,
    REFUSES
  }

  private final MemoryFiles files = new MemoryFiles(new Random(1), () -> {});
  private final Leg a = new Leg();
  private final Leg b = new Leg();
  private MirrorLedger ledger;
  private MirrorKeepers keepers;

  private final class Leg implements Authority {
    private Answer answer = Answer.KEEPS;
    private boolean isAway;
    private Optional<MirrorRecord> known = Optional.of(FIRST);

    /** What this host knew whenever it was told. */
    private final List<MirrorRecord> knownHere = new ArrayList<>();

    @Override
    public Known ask(String client) throws DeviceException {
      if (isAway) {
        throw new DeviceException("connection refused");
      }
      return new Known(GENERATION, false, known);
    }

    @Override
    public void tell(String client, long generation, Optional<MirrorRecord> record)
        throws DeviceException {
      knownHere.add(here());
      if (isAway || answer == Answer.REFUSES) {
        throw new DeviceException("refused");
      }
      known = record;
      if (answer == Answer.KEEPS_SILENTLY) {
        throw new UntoldException("the connection was lost", null);
      }
    }
  }

  @BeforeEach
  void begin() throws Exception {
    ledger = MirrorLedger.open(files, Path.of("/records"), Runnable::run);
    assertThat(ledger.put(USER, GENERATION, Optional.of(FIRST)).join()).isEmpty();
    keepers =
        new MirrorKeepers(
            USER,
            GENERATION,
            ImmutableMap.of("A", a, "B", b),
            ledger,
            Optional.empty(),
            Runnable::run,
            FIRST);
  }

  private MirrorRecord here() {
    try {
      return ledger.get(USER).orElseThrow().record();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Throwable failure(CompletableFuture<Void> recorded) {
    try {
      recorded.join();
      throw new AssertionError("expected it to fail");
    } catch (CompletionException e) {
      return e.getCause();
    }
  }

  @Test
  void ofOneLegThisHostIsToldFirst() {
    keepers.record(A).join();
    MirrorRecord alone = here();
    assertThat(alone.members()).isEqualTo(A);
    assertThat(a.knownHere).containsExactly(alone);
    assertThat(a.known).contains(alone);
    assertThat(b.knownHere).isEmpty();
  }

  @Test
  void ofBothThisHostIsToldLast() {
    keepers.record(A).join();
    MirrorRecord alone = here();
    keepers.record(BOTH).join();
    assertThat(b.knownHere).containsExactly(alone);
    assertThat(here().members()).isEqualTo(BOTH);
    assertThat(b.known).contains(here());
  }

  /** So that nobody comes into use there between the question and the word. */
  @Test
  void ofAPersonsWordTheOtherLegHearsFirst() {
    MirrorRecord forced = FIRST.forced("B", FIRST.epoch(), FIRST.sizeBytes());
    a.answer = Answer.REFUSES;
    assertThat(failure(keepers.force(forced, true))).hasMessage("refused");
    assertThat(b.known).as("nothing has changed").contains(FIRST);
    a.answer = Answer.KEEPS;
    b.answer = Answer.REFUSES;
    assertThat(failure(keepers.force(forced, true))).hasMessageContaining("say it once more");
    assertThat(here()).isEqualTo(FIRST);
    b.answer = Answer.KEEPS;
    keepers.force(forced, true).join();
    assertThat(List.of(a.known, b.known, Optional.of(here()))).containsOnly(Optional.of(forced));
  }

  /** Once it may be somewhere no failure says that it is nowhere. */
  @Test
  void whatMayBeSomewhereStaysUnknownUntilAllHaveIt() {
    a.answer = Answer.KEEPS_SILENTLY;
    assertThat(failure(keepers.record(A))).isInstanceOf(Authority.UntoldException.class);
    MirrorRecord untold = here();
    a.answer = Answer.REFUSES;
    assertThat(failure(keepers.record(A))).isInstanceOf(Authority.UntoldException.class);
    a.isAway = true;
    assertThat(failure(keepers.record(A))).isInstanceOf(Authority.UntoldException.class);
    a.isAway = false;
    a.answer = Answer.KEEPS;
    assertThat(keepers.record()).isEqualTo(FIRST);
    keepers.record(A).join();
    assertThat(keepers.record()).isEqualTo(untold);
  }

  /** The other one may be back before it is. */
  @Test
  void aLegThatIsAwayLeavesNoTrace() {
    a.isAway = true;
    assertThat(failure(keepers.record(A))).isNotInstanceOf(Authority.UntoldException.class);
    assertThat(here()).isEqualTo(FIRST);
    keepers.record(B).join();
    assertThat(b.known).contains(here());
    assertThat(here().members()).isEqualTo(B);
  }

  /** After a power cut the storage of this host has the old records or the new ones. */
  @Test
  void whatMayBeStoredHereIsUnknown() {
    files.breaks(MemoryFiles.Operation.FORCE_DIRECTORY);
    assertThat(failure(keepers.record(A))).isInstanceOf(Authority.UntoldException.class);
    assertThat(a.known).contains(FIRST);
    files.isMended();
    keepers.record(B).join();
    assertThat(b.known.orElseThrow().epoch()).isGreaterThan(FIRST.next(GENERATION, A).epoch());
  }

  /** That both are up to date the second one has not been told: the next record says something. */
  @Test
  void whatOneOfBothWasToldIsReplacedByANewerOne() {
    b.isAway = true;
    assertThat(failure(keepers.record(BOTH))).isInstanceOf(Authority.UntoldException.class);
    MirrorRecord whole = a.known.orElseThrow();
    keepers.record(A).join();
    assertThat(here().epoch()).isGreaterThan(whole.epoch());
    assertThat(a.known).contains(here());
  }

  private MirrorKeepers another(Optional<Authority> witness, MirrorRecord first) {
    a.known = Optional.empty();
    return new MirrorKeepers(
        USER,
        GENERATION + 1,
        ImmutableMap.of("A", a, "B", b),
        ledger,
        witness,
        Runnable::run,
        first);
  }

  /** As the new device of a disk that has two legs: it stays as it was. */
  @Test
  void aMirrorThatDoesNotBeginLeavesWhatThisHostKnewOfAnother() {
    MirrorRecord first = MirrorRecord.first(new UUID(8, 8), GENERATION + 1, 4096, BOTH, "A");
    Leg witness = new Leg();
    witness.answer = Answer.REFUSES;
    MirrorKeepers another = another(Optional.of(witness), first);
    assertThat(failure(another.begin(first, A))).hasMessage("refused");
    assertThat(here()).as("it was noted here").isEqualTo(first);
    another.forget().join();
    assertThat(a.known).isEmpty();
    assertThat(here()).isEqualTo(FIRST);
    keepers.record(A).join();
    assertThat(here().members()).as("with its own generation").isEqualTo(A);
  }

  /** It was not noted here, and is not what is forgotten. */
  @Test
  void aMirrorThatWasNotNotedForgetsNoOther() {
    MirrorRecord first = MirrorRecord.first(new UUID(8, 8), GENERATION + 1, 4096, BOTH, "A");
    MirrorKeepers another = another(Optional.empty(), first);
    a.isAway = true;
    assertThat(failure(another.begin(first, A))).hasMessage("connection refused");
    a.isAway = false;
    another.forget().join();
    assertThat(here()).isEqualTo(FIRST);
  }

  @Test
  void aMirrorThatIsNoneIsForgotten() throws Exception {
    keepers.begin(FIRST.next(GENERATION, A), A).join();
    keepers.forget().join();
    assertThat(ledger.get(USER)).isEmpty();
  }
}
