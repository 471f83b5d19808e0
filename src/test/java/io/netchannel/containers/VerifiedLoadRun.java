package io.netchannel.containers;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.containers.tool.VerifiedLoad;
import io.netchannel.containers.tool.VerifiedUsb;
import io.netchannel.daemon.Json;
import java.nio.file.Path;
import java.util.Map;

/**
 * A {@link VerifiedLoad} or {@link VerifiedUsb} on one of the hosts, with the product's own client
 * device; in a directory of its own below /run.
 */
record VerifiedLoadRun(ContainerHost host, String directory, long generation) {
  private static final long BLOCKS = VerifiedLoad.SIZE_BYTES / 4096;

  /** On a disk; returns at once. */
  static VerifiedLoadRun start(
      ContainerHost host, String source, long generation, Path certificates) {
    return start(host, "VerifiedLoad", source, generation, certificates);
  }

  /** On a USB device; returns at once. */
  static VerifiedLoadRun startUsb(
      ContainerHost host, String source, long generation, Path certificates) {
    return start(host, "VerifiedUsb", source, generation, certificates);
  }

  private static VerifiedLoadRun start(
      ContainerHost host, String tool, String source, long generation, Path certificates) {
    VerifiedLoadRun load = new VerifiedLoadRun(host, "/run/load-" + System.nanoTime(), generation);
    host.run(
        "mkdir -p %1$s; %2$s %3$s %1$s %4$d %5$s >%1$s/log 2>&1 &"
            .formatted(load.directory(), HostImage.tool(tool), source, generation, certificates));
    return load;
  }

  /** Ends all of a host, as a crash does. */
  static void killAll(ContainerHost host) {
    host.execute("pkill", "-9", "-f", HostImage.toolClass("Verified"));
  }

  /** What the client device has said. */
  String log() {
    return host.run("cat %s/log".formatted(directory));
  }

  /** See {@link VerifiedLoad}. */
  Map<String, Object> progress() {
    ContainerHost.Result found = host.execute("cat", directory + "/progress");
    assertThat(found.status()).as("%s: no progress yet; log: %s", this, log()).isZero();
    return Json.parseObject(found.out());
  }

  long number(String key) {
    Map<String, Object> progress = progress();
    assertThat(progress).containsKey(key);
    return ((Number) progress.get(key)).longValue();
  }

  /** Until so many requests more have been answered than now. */
  VerifiedLoadRun awaitAnswers(long more) {
    long[] first = {-1};
    Eventually.holds(
        () -> {
          long answered = number("answered");
          first[0] = first[0] < 0 ? answered : first[0];
          assertThat(answered).as("answers, %s", this).isGreaterThan(first[0] + more);
        });
    return this;
  }

  /** Nothing has been answered for so long. */
  void awaitQuiet(long millis) {
    Eventually.holds(() -> assertThat(number("quiet")).isGreaterThan(millis));
  }

  Map<String, Object> awaitEnd() {
    Eventually.holds(() -> assertThat(progress()).containsEntry("ended", true));
    return progress();
  }

  /** Why the device could not be opened. */
  String awaitRefusal() {
    Eventually.holds(() -> assertThat(progress()).containsKey("refused"));
    return String.valueOf(progress().get("refused"));
  }

  /** Ends it; what it has found. */
  Map<String, Object> end() {
    host.run("touch %s/stop".formatted(directory));
    return awaitEnd();
  }

  /** Ends it: it had no error. */
  Map<String, Object> endWithoutError() {
    Map<String, Object> end = end();
    assertThat(end)
        .containsEntry("problem", "")
        .containsEntry("failed", 0L)
        .containsEntry("wrong", 0L);
    return end;
  }

  /** Ends one on a disk: it had no error and finds all that it wrote. */
  void endWell() {
    assertThat(endWithoutError()).containsEntry("checked", BLOCKS);
  }

  /** Goes on by itself after a pause, and ends well. */
  void goesOnAndEndsWell() {
    awaitAnswers(RemoteDisk.BUSY_REQUESTS);
    endWell();
  }
}
