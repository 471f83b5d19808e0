package io.netchannel.daemon;

import io.netchannel.coordinator.DiskJob;
import io.netchannel.coordinator.DiskJobStore;
import io.netchannel.coordinator.JobPhase;
import io.netchannel.device.mirror.MirrorState;
import io.netchannel.device.mirror.MirrorStatus;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/** A job as the command line gets it: sizes in bytes, times in milliseconds. */
final class DiskJobJson {
  private DiskJobJson() {}

  /** One of this host. */
  static Map<String, Object> of(SwapRunner runner, JobMetadata metadata, DiskJobStore store) {
    boolean migrates =
        store.migrates(runner.key()); // first: what follows is final when it does not
    DiskJob job = runner.job();
    Optional<MirrorStatus> mirror = runner.status();
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("domain", job.domainName());
    json.put("uuid", runner.key().domain());
    json.put("target", runner.key().target());
    json.put("state", state(runner));
    json.put("reason", reason(runner));
    json.put("old", job.oldSource());
    json.put("new", job.newSource());
    json.put("sizeBytes", mirror.map(MirrorStatus::sizeBytes).orElse(null));
    json.put("copiedBytes", mirror.map(MirrorStatus::copiedBytes).orElse(null));
    json.put("zeroBytes", mirror.map(MirrorStatus::zeroBytes).orElse(null));
    json.put("leftBytes", mirror.map(MirrorStatus::leftBytes).orElse(null));
    json.put("verify", job.settings().verifies());
    json.put(
        "verifiedBytes",
        mirror
            .filter(status -> job.settings().verifies())
            .map(status -> status.sizeBytes() - status.uncomparedBytes())
            .orElse(null));
    json.put("passes", mirror.map(MirrorStatus::passes).orElse(null));
    json.put("staleCopies", mirror.map(MirrorStatus::staleCopies).orElse(null));
    json.put("heldWrites", mirror.map(MirrorStatus::heldWrites).orElse(null));
    json.put("longestWriteMillis", mirror.map(MirrorStatus::longestWriteMillis).orElse(null));
    json.put("rateBytesPerSecond", runner.rate().bytesPerSecond());
    json.put(
        "secondsLeft",
        mirror
            .flatMap(status -> runner.rate().left(left(status)))
            .map(Duration::toSeconds)
            .orElse(null));
    json.put("throttled", mirror.map(MirrorStatus::throttled).orElse(false));
    json.put("pivot", pivot(job));
    json.put("goesTo", job.origin().goesAlong() ? job.origin().goesTo() : null);
    json.put("migrates", migrates);
    json.put("given", store.isGiven(job));
    json.put("holder", store.holder(runner.key()).orElse(null));
    json.put("bandwidth", job.settings().bytesPerSecond());
    json.put("untold", runner.untold().orElse(null));
    json.put("started", job.begun().toString());
    json.put("ended", job.ended().map(Instant::toString).orElse(null));
    json.put(
        "switchedAfterMillis",
        job.switched().map(at -> Duration.between(job.begun(), at).toMillis()).orElse(null));
    metadata.describe(job, json);
    return json;
  }

  /** A disk that is to follow its guest, and has no job yet. */
  static Map<String, Object> of(FollowingDisks.Behind behind) {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("domain", behind.disk().guest().name());
    json.put("uuid", behind.disk().guest().uuid());
    json.put("target", behind.disk().target());
    json.put("state", "behind");
    json.put("reason", behind.why());
    json.put("old", behind.source());
    json.put("new", null);
    json.put("sizeBytes", behind.disk().sizeBytes());
    json.put("metadata", Map.of("live", "none", "config", "none"));
    return json;
  }

  /** It is compared when all is copied. */
  private static long left(MirrorStatus status) {
    return status.state() == MirrorState.SYNC ? status.uncomparedBytes() : status.leftBytes();
  }

  private static String pivot(DiskJob job) {
    return job.settings().switches() ? "auto" : "manual";
  }

  private static String state(SwapRunner runner) {
    return switch (runner.stage()) {
      case OPENING -> "opening";
      case SETTLING -> "switched";
      case OLD_ONLY, MIRRORED, LEAVING ->
          switch (runner.job().phase()) {
            case COPYING, SWITCHED -> copying(runner);
            case TAKEN_OVER, DONE -> "switched";
            // Until the mirror is gone another job cannot begin.
            case ABORTED, FAILED -> "paused";
          };
      case OVER -> MigrationJson.lowerCase(runner.job().phase());
    };
  }

  private static String copying(SwapRunner runner) {
    return runner.stage() == SwapRunner.Stage.OLD_ONLY
        ? "paused"
        : switch (runner.status().map(MirrorStatus::state).orElse(beside(runner))) {
          case ALONE -> "switched";
          case COPYING -> "copying";
          case PAUSED, ABORTED -> "paused";
          case CONVERGING -> "converging";
          case FLUSHING -> "flushing";
          case SYNC -> isVerifying(runner) ? "verifying" : "sync";
          case RECORDING, JOINING, DROPPING -> "recording";
        };
  }

  private static boolean isVerifying(SwapRunner runner) {
    return runner.status().map(MirrorStatus::uncomparedBytes).orElse(0L) > 0;
  }

  /** Of one that has no mirror just now: after a restart, until its device opens. */
  private static MirrorState beside(SwapRunner runner) {
    return switch (runner.job().phase()) {
      case SWITCHED, TAKEN_OVER -> MirrorState.ALONE;
      case COPYING, DONE, ABORTED, FAILED -> MirrorState.PAUSED;
    };
  }

  private static String reason(SwapRunner runner) {
    if (runner.job().phase() == JobPhase.DONE) {
      return null; // all is well
    }
    String words =
        runner.stage() == SwapRunner.Stage.OVER
            ? runner.job().reason()
            : runner.problem().isEmpty()
                ? runner.status().map(MirrorStatus::reason).orElse("")
                : runner.problem();
    return words.isEmpty() ? null : words;
  }
}
