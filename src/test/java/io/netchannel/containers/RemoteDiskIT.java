package io.netchannel.containers;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * A disk that hostb's netchanneld exports, under load at hosta: whatever happens to the network or
 * to the server, the load gets no error, only a pause, and finds all it was told is written.
 */
final class RemoteDiskIT {
  /** Longer than the client takes to notice a silent connection: 6 s, looked at every 2 s. */
  private static final long LONG_MILLIS = 9000;

  @RegisterExtension static final RemoteDisk disk = new RemoteDisk();

  // ---- the network

  @Test
  void aNetworkThatIsCutUnderLoadHeals() {
    VerifiedLoadRun load = disk.busy();
    disk.hosts().cut();
    load.awaitQuiet(LONG_MILLIS);
    disk.hosts().heal();
    load.goesOnAndEndsWell();
    assertThat(load.number("pause")).isGreaterThan(LONG_MILLIS);
  }

  /** What the client has sent arrives and is done; what the server answers is lost. */
  @Test
  void answersThatAreLostComeLater() {
    VerifiedLoadRun load = disk.busy();
    disk.hosta().cut();
    load.awaitQuiet(LONG_MILLIS);
    disk.hosta().heal();
    load.goesOnAndEndsWell();
    assertThat(load.log()).contains("attached again after");
  }

  // ---- the server

  @Test
  void aServerHostThatStandsStillGoesOn() {
    VerifiedLoadRun load = disk.busy();
    disk.hostb().pause();
    load.awaitQuiet(LONG_MILLIS);
    disk.hostb().unpause();
    load.goesOnAndEndsWell();
  }

  @Test
  void aServerThatIsKilledComesBack() {
    VerifiedLoadRun load = disk.busy();
    for (int kills = 0; kills < 2; kills++) {
      disk.hostb().killDaemon();
      disk.hostb().awaitDaemon();
      load.awaitAnswers(RemoteDisk.BUSY_REQUESTS);
    }
    load.endWell();
    assertThat(load.log()).containsPattern("(?s)attached again after.*attached again after");
  }

  @Test
  void aServerHostWhosePowerFailsComesBack() {
    VerifiedLoadRun load = disk.busy();
    disk.hostb().kill();
    load.awaitQuiet(RemoteDisk.SHORT_MILLIS);
    disk.hostb().start();
    load.goesOnAndEndsWell();
  }

  @Test
  void aServerWhoseClockJumpsGoesOn() {
    long stale = disk.nextGeneration();
    VerifiedLoadRun load = disk.busy();
    // The daemon is restarted for the first; the others happen to it as it runs.
    disk.hostb().shiftClock(Duration.ofMinutes(-30));
    load.awaitAnswers(RemoteDisk.BUSY_REQUESTS);
    disk.hostb().shiftClock(Duration.ofHours(5));
    load.awaitAnswers(RemoteDisk.BUSY_REQUESTS);
    // Whom it knows already may stay; who comes anew has a certificate of the future. It comes with
    // a generation that disturbs nobody if it is let in.
    disk.hostb().shiftClock(Duration.ofDays(-30));
    load.awaitAnswers(RemoteDisk.BUSY_REQUESTS);
    Eventually.holds(
        () ->
            assertThat(disk.refusal(stale, RemoteDisk.CERTIFICATES))
                .startsWith(RemoteDisk.ADDRESS + ": the other end does not trust this host's")
                .contains("TLS: certificate_expired")
                .contains("valid by its clock"));
    assertThat(disk.hostb().log()).contains("a caller, certificate of CN=hosta, is not trusted");
    disk.hostb().shiftClock(Duration.ZERO);
    load.goesOnAndEndsWell();
  }
}
