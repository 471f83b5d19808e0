package io.netchannel.cli;

import java.nio.file.Path;
import java.util.Map;
import picocli.CommandLine.Option;

/** Where the daemon is. */
final class ControlOptions {
  @Option(
      names = "--socket",
      paramLabel = "PATH",
      defaultValue = "/run/netchannel/control.sock",
      description = "The daemon's control socket (default: ${DEFAULT-VALUE}).")
  private Path socket = Path.of("/run/netchannel/control.sock");

  Object call(Map<String, Object> request) throws CommandFailedException {
    return new ControlClient(socket).call(request);
  }
}
