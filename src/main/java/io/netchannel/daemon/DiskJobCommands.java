package io.netchannel.daemon;

import io.netchannel.coordinator.DiskJob;
import io.netchannel.coordinator.DiskJobStore;
import io.netchannel.coordinator.JobRefusedException;
import io.netchannel.coordinator.JournalException;
import io.netchannel.coordinator.Moved;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;

/** What the command line asks of jobs. */
final class DiskJobCommands {
  /** Why a job is over that a person has ended: nobody begins it again by itself. */
  static final String BY_HAND = "given up by hand";

  private final DiskJobs jobs;
  private final JobMetadata metadata;
  private final DiskJobStore store;

  DiskJobCommands(DiskJobs jobs, JobMetadata metadata, DiskJobStore store) {
    this.jobs = jobs;
    this.metadata = metadata;
    this.store = store;
  }

  /** Completes when copying has begun. */
  CompletableFuture<Void> begin(ServedDisk disk, Map<String, Object> request)
      throws ControlException {
    try {
      return jobs.begin(
          disk,
          new SwapRequest(
              ControlCommands.text(request, "source"),
              isTrue(request, "create"),
              isTrue(request, "destIsZero"),
              false,
              "",
              new DiskJob.Settings(
                  !"manual".equals(request.get("pivot")),
                  !"never".equals(request.get("converge")),
                  isTrue(request, "verify"),
                  false,
                  bytesPerSecond(request))));
    } catch (JobRefusedException e) {
      throw new ControlException(e.getMessage(), e);
    }
  }

  /** The newest job of a disk. */
  Map<String, Object> describe(ServedDisk disk) throws ControlException {
    return describe(newest(disk.guest().uuid().toString(), disk.target()));
  }

  /**
   * Newest first; before them the disks that have none yet, although they are to follow.
   *
   * @param domain name or UUID; empty for all
   */
  List<Map<String, Object>> list(Optional<String> domain, List<FollowingDisks.Behind> behind) {
    Stream<Map<String, Object>> without =
        behind.stream()
            .filter(each -> domain.isEmpty() || isOf(each.disk().guest(), domain.get()))
            .map(DiskJobJson::of);
    Stream<Map<String, Object>> begun =
        jobs.all().stream()
            .filter(runner -> domain.isEmpty() || isOf(runner, domain.get()))
            .map(this::describe);
    return Stream.concat(without, begun).toList();
  }

  private static boolean isOf(Guest guest, String domain) {
    return guest.uuid().toString().equals(domain.toLowerCase(Locale.ROOT))
        || guest.name().equals(domain);
  }

  /** Does what is asked and tells how the job is then. */
  Map<String, Object> change(Optional<String> domain, Map<String, Object> request)
      throws ControlException {
    SwapRunner runner = newest(domain.orElse(""), ControlCommands.text(request, "target"));
    try {
      change(runner, ControlCommands.text(request, "action"), request);
    } catch (JobRefusedException | JournalException e) {
      throw new ControlException(e.getMessage(), e);
    }
    return describe(runner);
  }

  private void change(SwapRunner runner, String action, Map<String, Object> request)
      throws ControlException, JobRefusedException, JournalException {
    switch (action) {
      case "show" -> {}
      case "abort" -> runner.abort(BY_HAND);
      case "pivot" -> runner.set(DiskJob.Settings::switching);
      case "pause" -> runner.set(was -> was.paused(true));
      case "resume" -> runner.set(was -> was.paused(false));
      case "bandwidth" -> {
        long most = bytesPerSecond(request);
        runner.set(was -> was.bounded(most));
      }
      case "write-metadata" -> metadata.name(moved(runner));
      case "forget" -> runner.forget();
      default -> throw new ControlException("a job knows no \"%s\"".formatted(action));
    }
  }

  private Moved moved(SwapRunner runner) throws ControlException {
    return store
        .moved(runner.key())
        .orElseThrow(
            () -> new ControlException(runner.key().target() + " was not switched from here"));
  }

  private SwapRunner newest(String domain, String target) throws ControlException {
    return jobs.all().stream()
        .filter(runner -> runner.key().target().equals(target) && isOf(runner, domain))
        .findFirst()
        .orElseThrow(
            () -> new ControlException("no job of %s of domain %s".formatted(target, domain)));
  }

  private static boolean isOf(SwapRunner runner, String domain) {
    return runner.key().domain().toString().equals(domain.toLowerCase(Locale.ROOT))
        || runner.job().domainName().equals(domain);
  }

  private Map<String, Object> describe(SwapRunner runner) {
    return DiskJobJson.of(runner, metadata, store);
  }

  private static boolean isTrue(Map<String, Object> request, String name) {
    return Boolean.TRUE.equals(request.get(name));
  }

  private static long bytesPerSecond(Map<String, Object> request) {
    return request.get("bandwidth") instanceof Long value ? Math.max(0, value) : 0;
  }
}
