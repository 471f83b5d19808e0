package io.netchannel.libvirt;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * Runs {@code virsh}: it is on every host with libvirt, and a process of its own costs less start
 * time than libvirt's binding.
 */
final class Virsh {
  /** virsh waits for a domain's job lock; longer than that is a stuck libvirtd. */
  private static final Duration BOUND = Duration.ofSeconds(60);

  private final List<String> program;
  private final Duration bound;

  /**
   * Any program that speaks as virsh does.
   *
   * @param program with its first arguments
   * @param bound of a call
   */
  Virsh(List<String> program, Duration bound) {
    this.program = List.copyOf(program);
    this.bound = bound;
  }

  /** The domains of this host's libxl driver. */
  static Virsh local() {
    return new Virsh(List.of("virsh", "-c", LibvirtEvents.DEFAULT_URI), BOUND);
  }

  /**
   * What a call has said, on both of its outputs.
   *
   * @param exitCode zero when it was done
   */
  record Answer(int exitCode, String text) {
    boolean done() {
      return exitCode == 0;
    }
  }

  /**
   * One call; may block for the whole bound.
   *
   * @throws MetadataException when virsh cannot be run, or does not end
   */
  Answer call(List<String> arguments) throws MetadataException {
    List<String> command = new ArrayList<>(program);
    command.addAll(arguments);
    try {
      ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
      builder.environment().put("LC_ALL", "C.UTF-8"); // what it says is looked at
      Process process = builder.start();
      // Killed, it ends its output, too: to read that would wait for ever.
      CompletableFuture<Process> ended =
          process.onExit().orTimeout(bound.toMillis(), TimeUnit.MILLISECONDS);
      var unused =
          ended.whenComplete(
              (exit, late) -> {
                if (late != null) {
                  process.destroyForcibly();
                }
              });
      process.getOutputStream().close();
      String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      int exitCode = process.waitFor();
      if (ended.isCompletedExceptionally()) {
        throw new MetadataException(
            "virsh does not answer within %d s: is libvirtd stuck?".formatted(bound.toSeconds()));
      }
      return new Answer(exitCode, text.strip());
    } catch (IOException e) {
      throw new MetadataException(
          "cannot run virsh (%s): install libvirt-clients".formatted(e.getMessage()), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new MetadataException("interrupted", e);
    }
  }
}
