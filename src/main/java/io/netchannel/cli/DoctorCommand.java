package io.netchannel.cli;

import io.netchannel.daemon.ConfigurationException;
import io.netchannel.daemon.DaemonConfiguration;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
    name = "doctor",
    mixinStandardHelpOptions = true,
    description = {
      "Checks everything Netchannel needs of this host and its peers, and says what to do.",
      "",
      "The exit status is 1 when a check fails; warnings do not count."
    })
final class DoctorCommand implements Callable<Integer> {
  @Mixin private OutputOptions output;
  @Spec private CommandSpec spec;

  @Option(
      names = "--config",
      paramLabel = "FILE",
      defaultValue = "/etc/netchannel/netchannel.toml",
      description = "The daemon's configuration (default: ${DEFAULT-VALUE}).")
  private Path config = DaemonConfiguration.DEFAULT_FILE;

  @Option(
      names = "--root",
      paramLabel = "DIR",
      defaultValue = "/",
      description = "Look at a host's files in this tree (default: ${DEFAULT-VALUE}).")
  private Path root = Path.of("/");

  @Override
  public Integer call() {
    List<Finding> findings = new ArrayList<>();
    HostChecks host = new HostChecks(root, findings::add);
    host.clock();
    try {
      DaemonConfiguration configuration = DaemonConfiguration.read(config);
      findings.add(Finding.ok("configuration", config + ", this host is " + configuration.name()));
      if (configuration.guests()) {
        host.servesGuests();
      } else {
        findings.add(
            Finding.ok(
                "guests",
                "not served, so Xen and libvirt are not needed: guests = false in [daemon]"));
      }
      host.directories(configuration);
      host.daemon(configuration);
      host.exports(configuration);
      new UsbChecks(root, findings::add).run(configuration.exports().exports());
      new TlsChecks(configuration, Instant.now(), findings::add).run();
    } catch (ConfigurationException e) {
      host.servesGuests();
      findings.add(Finding.fail("configuration", e.getMessage()));
    }
    output.print(
        spec.commandLine().getOut(),
        findings.stream()
            .map(
                found ->
                    Map.of(
                        "level", found.level(), "check", found.check(), "detail", found.detail()))
            .toList(),
        out -> print(out, findings));
    return findings.stream().anyMatch(found -> found.level() == Finding.Level.FAIL)
        ? Main.FAILURE
        : 0;
  }

  private static void print(PrintWriter out, List<Finding> findings) {
    findings.forEach(
        found ->
            out.println("%-4s  %s: %s".formatted(found.level(), found.check(), found.detail())));
  }
}
