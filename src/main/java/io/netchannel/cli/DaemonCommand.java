package io.netchannel.cli;

import io.netchannel.coordinator.JournalException;
import io.netchannel.daemon.ConfigurationException;
import io.netchannel.daemon.DaemonConfiguration;
import io.netchannel.daemon.NetchannelDaemon;
import io.netchannel.rehearsal.DaemonRehearsal;
import io.netchannel.xen.XenException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(
    name = "daemon",
    mixinStandardHelpOptions = true,
    description = {
      "Serves the Netchannel devices of this host, in the foreground: what netchanneld.service"
          + " runs.",
      "",
      "On SIGTERM it ends and leaves the disks of running guests as they are: the guests wait, and"
          + " the next start goes on."
    })
final class DaemonCommand implements Callable<Integer> {
  @Option(
      names = "--config",
      paramLabel = "FILE",
      defaultValue = "/etc/netchannel/netchannel.toml",
      description = "The configuration (default: ${DEFAULT-VALUE}); when missing, all defaults.")
  private Path config = DaemonConfiguration.DEFAULT_FILE;

  @Override
  public Integer call() throws CommandFailedException, InterruptedException {
    try {
      NetchannelDaemon.run(DaemonConfiguration.read(config), DaemonRehearsal::beside);
      return 0;
    } catch (ConfigurationException
        | JournalException
        | IOException
        | XenException
        | IllegalArgumentException e) {
      throw new CommandFailedException(e.getMessage(), e);
    }
  }
}
