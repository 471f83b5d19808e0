package io.netchannel.cli;

import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** {@code nbd-export} as a process of its own, as it is used. */
final class NbdExportProcess {
  private NbdExportProcess() {}

  /**
   * @param log takes its stderr; what it prints is the process's to read
   */
  static Process start(Path log, List<String> arguments) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    String classes = System.getProperty("java.class.path");
    command.addAll(List.of("-cp", System.getProperty("surefire.test.class.path", classes)));
    command.addAll(List.of(Main.class.getName(), "nbd-export"));
    command.addAll(arguments);
    return new ProcessBuilder(command).redirectError(Redirect.to(log.toFile())).start();
  }
}
