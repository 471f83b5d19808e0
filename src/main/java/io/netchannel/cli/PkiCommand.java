package io.netchannel.cli;

import io.netchannel.tls.TestCertificateAuthority;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "pki",
    mixinStandardHelpOptions = true,
    subcommands = {PkiCommand.Init.class, PkiCommand.HostFiles.class},
    synopsisSubcommandLabel = "COMMAND",
    description = {
      "Makes certificates for the connection between hosts, for tests and laboratories.",
      "",
      "The files are in libvirt's layout, for libvirt's TLS as well. The CA's key is not encrypted."
    })
final class PkiCommand implements Runnable {
  @Spec private CommandSpec spec;

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "expected a command: init or host");
  }

  @Command(
      name = "init",
      mixinStandardHelpOptions = true,
      description = "Makes a certificate authority in DIR.")
  static final class Init implements Callable<Integer> {
    @Spec private CommandSpec spec;

    @Parameters(paramLabel = "DIR", description = "A directory of its own.")
    private Path directory;

    @Override
    public Integer call() throws CommandFailedException {
      try {
        authority().init(directory);
      } catch (IOException e) {
        throw new CommandFailedException(e.getMessage(), e);
      }
      PrintWriter out = spec.commandLine().getOut();
      out.println(
          "Authority made; its key stays in %s. Next: netchannel pki host %s NAME..."
              .formatted(directory.resolve("CA"), directory));
      return 0;
    }
  }

  @Command(
      name = "host",
      mixinStandardHelpOptions = true,
      description = {
        "Makes a host's certificates in DIR/NAME, signed by the authority in DIR.",
      })
  static final class HostFiles implements Callable<Integer> {
    @Spec private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "DIR", description = "Where 'pki init' was done.")
    private Path directory;

    @Parameters(
        index = "1..*",
        arity = "1..*",
        paramLabel = "NAME",
        description = {
          "DNS names and addresses of the host; the first names its directory and certificate."
        })
    private List<String> names = new ArrayList<>();

    @Override
    public Integer call() throws CommandFailedException {
      Path files = directory.resolve(names.get(0));
      try {
        authority().host(directory, files, names.toArray(String[]::new));
      } catch (IOException e) {
        throw new CommandFailedException(e.getMessage(), e);
      }
      spec.commandLine()
          .getOut()
          .println("Certificates made: copy %s to the host's /etc/pki".formatted(files + "/*"));
      return 0;
    }
  }

  private static TestCertificateAuthority authority() {
    return new TestCertificateAuthority(Clock.systemUTC(), new SecureRandom());
  }
}
