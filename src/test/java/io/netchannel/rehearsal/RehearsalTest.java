package io.netchannel.rehearsal;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.netchannel.rehearsal.host.HostPair;
import io.netchannel.tls.HostTls;
import io.netchannel.tls.TestCertificateAuthority;
import io.netchannel.tls.TlsFiles;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

/** Rehearsals that move a guest, are silent, leave nothing and get out of the way. */
@Timeout(120)
final class RehearsalTest {
  private static final Duration BOUND = Duration.ofSeconds(30);
  private static final String HOST = "hosta.example";

  @TempDir private Path directory;

  private final ListAppender<ILoggingEvent> events = new ListAppender<>();
  private Logger logger;
  private Level level;
  private Rehearsal rehearsal;

  @BeforeEach
  void prepare() throws Exception {
    TestCertificateAuthority authority =
        new TestCertificateAuthority(Clock.systemUTC(), new SecureRandom());
    Path pki = directory.resolve("pki");
    authority.init(pki);
    authority.host(pki, directory.resolve("etc"), HOST);
    Files.createDirectory(run());
    TlsFiles tls = TlsFiles.libvirt(directory.resolve("etc"));
    assertThat(new HostTls(tls).name("hosta")).as("a name that it proves").contains(HOST);
    rehearsal = new Rehearsal(run(), new HostPair.Member("hosta", HOST, tls));
    logger = (Logger) LoggerFactory.getLogger("io.netchannel");
    level = logger.getLevel();
    logger.setLevel(Level.INFO);
    events.start();
    logger.addAppender(events);
  }

  @AfterEach
  void restore() {
    logger.detachAppender(events);
    logger.setLevel(level);
  }

  private Path run() {
    return directory.resolve("run");
  }

  private List<String> logged() {
    return List.copyOf(events.list).stream()
        .map(event -> event.getLoggerName() + ": " + event.getFormattedMessage())
        .toList();
  }

  @Test
  void movesAGuestThereAndBackInSilenceAndLeavesNothing() throws Exception {
    AtomicBoolean entered = new AtomicBoolean();
    Rehearsal.Outcome outcome =
        rehearsal.perform(
            2,
            () -> {
              entered.compareAndSet(false, Files.exists(run().resolve(Rehearsal.MARK)));
              logger.info("what the real daemon says in the meantime");
              return true;
            });
    assertThat(outcome.standstills()).hasSize(2).allMatch(still -> still.toNanos() > 0);
    assertThat(outcome.toString()).startsWith("rehearsed 2 migrations in ");
    assertThat(entered).as("it had its files where it was told to").isTrue();
    assertThat(run()).isEmptyDirectory();
    assertThat(logged())
        .isNotEmpty()
        .allMatch(line -> line.equals("io.netchannel: what the real daemon says in the meantime"));
  }

  @Test
  void handsOverAgainAndAgainInSilenceForAsLongAsThePaceLetsIt() throws Exception {
    AtomicInteger asked = new AtomicInteger();
    assertThat(rehearsal.drill(() -> true)).isEqualTo(HandOverDrill.TIMES);
    assertThat(rehearsal.drill(() -> asked.incrementAndGet() <= 3)).isEqualTo(3);
    assertThat(logged()).isEmpty();
  }

  @Test
  void endsWhenThePaceSaysSoAndTakesTheLeftoversOfAKilledOneAway() throws Exception {
    Files.createDirectories(run().resolve(Rehearsal.MARK).resolve("left"));
    Rehearsal.Outcome outcome = rehearsal.perform(2, () -> false);
    assertThat(outcome.standstills()).isEmpty();
    assertThat(run()).isEmptyDirectory();
  }

  @Test
  void besideADaemonItWaitsForRealMigrationsAndEndsWithTheDaemon() {
    AtomicInteger asked = new AtomicInteger();
    DaemonRehearsal beside =
        new DaemonRehearsal(
            rehearsal,
            () -> {
              asked.incrementAndGet();
              return true;
            },
            System::nanoTime);
    beside.start();
    Await.until("a look for real migrations", BOUND, () -> asked.get() > 0);
    beside.close();
    Await.until("its end", BOUND, beside::isOver);
    assertThat(run()).isEmptyDirectory();
    assertThat(logged()).isEmpty();
  }

  /** What guests need of its time before and between its rounds is not taken from it. */
  @Test
  void besideADaemonItBeginsWhenTheGuestsHaveTheirDisksHoweverLongThatTakes() {
    AtomicLong nanos = new AtomicLong();
    AtomicInteger asked = new AtomicInteger();
    AtomicBoolean early = new AtomicBoolean();
    DaemonRehearsal beside =
        new DaemonRehearsal(
            rehearsal,
            () -> {
              nanos.addAndGet(Duration.ofMinutes(2).toNanos());
              boolean waits = asked.incrementAndGet() <= 2;
              if (waits && Files.exists(run().resolve(Rehearsal.MARK))) {
                early.set(true);
              }
              return waits;
            },
            nanos::get);
    beside.start();
    Await.until("its end", Duration.ofSeconds(100), beside::isOver);
    beside.close();
    assertThat(early).as("begun while a guest waited").isFalse();
    assertThat(asked).as("looks, also before each round").hasValueGreaterThan(Rehearsal.MIGRATIONS);
    assertThat(logged())
        .singleElement()
        .asString()
        .contains("rehearsed %d migrations".formatted(Rehearsal.MIGRATIONS));
  }

  /** The processor is for guests, also on a host where a rehearsal takes long. */
  @Test
  void besideADaemonItEndsWhenItsTimeIsOver() {
    AtomicLong nanos = new AtomicLong();
    LongSupplier slow = () -> nanos.addAndGet(Duration.ofSeconds(20).toNanos());
    DaemonRehearsal beside = new DaemonRehearsal(rehearsal, () -> false, slow);
    beside.start();
    Await.until("its end", Duration.ofSeconds(100), beside::isOver);
    beside.close();
    assertThat(logged())
        .singleElement()
        .asString()
        .contains("rehearsed 1 migrations in ")
        .endsWith(", and 1 hand-overs");
  }

  @Test
  void besideADaemonItEndsInTheMiddleOfAMigrationToo() {
    AtomicInteger asked = new AtomicInteger();
    DaemonRehearsal beside =
        new DaemonRehearsal(
            rehearsal,
            () -> {
              asked.incrementAndGet();
              return false;
            },
            System::nanoTime);
    beside.start();
    Await.until("its first migration", BOUND, () -> asked.get() > 0);
    beside.close();
    Await.until("its end", BOUND, beside::isOver);
    assertThat(run()).isEmptyDirectory();
    assertThat(logged()).isEmpty();
  }

  @Test
  void saysInOneLineWhatCameOfIt() {
    DaemonRehearsal beside = new DaemonRehearsal(rehearsal, () -> false, System::nanoTime);
    beside.start();
    Await.until("its end", Duration.ofSeconds(100), beside::isOver);
    beside.close();
    assertThat(logged())
        .singleElement()
        .asString()
        .matches(
            ".*: rehearsed \\d+ migrations in \\d+\\.\\d s: first \\d+ ms, last \\d+ ms, and \\d+"
                + " hand-overs");
  }
}
