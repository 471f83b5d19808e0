package io.netchannel.cli;

import io.netchannel.daemon.Json;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/** How far a second leg is, told as a job that is over when it is in sync. */
final class MirrorProgress implements JobWait.Daemon {
  private final JobWait.Daemon daemon;
  private final Object uuid;
  private final Object target;

  /**
   * @param disk as `devices` has it
   */
  MirrorProgress(JobWait.Daemon daemon, Map<String, Object> disk) {
    this.daemon = daemon;
    uuid = disk.get("uuid");
    target = disk.get("target");
  }

  /** Whatever is asked, it is this one. */
  @Override
  public Object call(Map<String, Object> request) throws CommandFailedException {
    Map<String, Object> mirror =
        Json.objects(daemon.call(Map.of("command", "mirrors"))).stream()
            .filter(each -> Objects.equals(each.get("uuid"), uuid))
            .filter(each -> Objects.equals(each.get("target"), target))
            .findFirst()
            .orElseThrow(
                () ->
                    new CommandFailedException(
                        "%s has no second leg any more: its guest has left or ended, or the leg was dropped"
                            .formatted(target)));
    Map<String, Object> job = new LinkedHashMap<>(mirror);
    job.put("state", state(mirror.get("state")));
    job.put("metadata", Map.of("live", "none", "config", "none")); // nobody waits for an XML
    job.put("started", mirror.get("mirror"));
    List<Map<String, Object>> legs = Json.objects(mirror.get("legs"));
    find(legs, true).ifPresent(leg -> job.put("old", leg.get("source")));
    find(legs, false)
        .ifPresent(
            leg -> {
              job.put("new", leg.get("source"));
              if (leg.get("problem") != null) {
                job.put("reason", leg.get("problem"));
              }
            });
    return job;
  }

  private static Optional<Map<String, Object>> find(
      List<Map<String, Object>> legs, boolean upToDate) {
    return legs.stream().filter(leg -> leg.get("upToDate").equals(upToDate)).findFirst();
  }

  /** Anything that is neither in sync nor on its way is a pause, with its reason. */
  private static String state(Object state) {
    return switch (String.valueOf(state)) {
      case "sync" -> "sync";
      case "resync" -> "copying";
      default -> "paused";
    };
  }
}
