package io.netchannel.cli;

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Where the process begins. */
public final class Main {
  /** virsh's exit code for everything that went wrong, a bad command line included. */
  static final int FAILURE = 1;

  private Main() {}

  public static void main(String[] arguments) {
    PrintWriter out = new PrintWriter(System.out, true, StandardCharsets.UTF_8);
    PrintWriter err = new PrintWriter(System.err, true, StandardCharsets.UTF_8);
    System.exit(isService(arguments) ? serve(err) : NetchannelCommand.run(out, err, arguments));
  }

  /**
   * Whether it is what netchanneld.service runs: guests may wait for it, and to look at command
   * lines in general takes as long as to open their disks. So nothing here names picocli.
   */
  static boolean isService(String... arguments) {
    return List.of(arguments).equals(List.of("daemon"));
  }

  private static int serve(PrintWriter err) {
    try {
      return new DaemonCommand().call();
    } catch (CommandFailedException e) {
      err.println("error: " + e.getMessage());
    } catch (InterruptedException | RuntimeException e) {
      e.printStackTrace(err);
    }
    return FAILURE; // and not the end of this thread only: others would stay
  }
}
