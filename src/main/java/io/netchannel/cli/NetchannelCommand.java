package io.netchannel.cli;

import io.netchannel.daemon.ProductVersion;
import io.netchannel.text.PathText;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.TypeConversionException;

/** The {@code netchannel} command, with all that it can be told. */
@Command(
    name = "netchannel",
    mixinStandardHelpOptions = true,
    versionProvider = NetchannelCommand.Version.class,
    description = "Keeps the disks of Xen guests with them through 'virsh migrate'.",
    synopsisSubcommandLabel = "COMMAND",
    footer = {
      "",
      "Exit status: 0 when all went well, 1 with a message on stderr when it did not.",
      "See 'netchannel help COMMAND' for one command."
    })
final class NetchannelCommand {
  /** By name, in the order of the help; a class is loaded when its command is built. */
  private static final Map<String, Supplier<Object>> COMMANDS = new LinkedHashMap<>();

  static {
    COMMANDS.put("daemon", DaemonCommand::new);
    COMMANDS.put("status", StatusCommand::new);
    COMMANDS.put("devices", DevicesCommand::new);
    COMMANDS.put("usb-devices", UsbDevicesCommand::new);
    COMMANDS.put("attach-disk", AttachDiskCommand::new);
    COMMANDS.put("detach-disk", DetachDiskCommand::new);
    COMMANDS.put("attach-usb", AttachUsbCommand::new);
    COMMANDS.put("detach-usb", DetachUsbCommand::new);
    COMMANDS.put("swap", SwapCommand::new);
    COMMANDS.put("jobs", JobsCommand::new);
    COMMANDS.put("job", JobCommand::new);
    COMMANDS.put("migrate", MigrateCommand::new);
    COMMANDS.put("mirrors", MirrorsCommand::new);
    COMMANDS.put("mirror", MirrorCommand::new);
    COMMANDS.put("export", ExportCommand::new);
    COMMANDS.put("unexport", UnexportCommand::new);
    COMMANDS.put("exports", ExportsCommand::new);
    COMMANDS.put("release-export", ReleaseExportCommand::new);
    COMMANDS.put("migrations", MigrationsCommand::new);
    COMMANDS.put("nbd-export", NbdExportCommand::new);
    COMMANDS.put("doctor", DoctorCommand::new);
    COMMANDS.put("pki", PkiCommand::new);
    COMMANDS.put("demo", DemoCommand::new);
    COMMANDS.put("stress", StressCommand::new);
    COMMANDS.put("generate-completion", AutoComplete.GenerateCompletion::new);
    COMMANDS.put("help", CommandLine.HelpCommand::new);
  }

  /** Where 1 is about a job, whose user must know it from a job that was never asked for. */
  private static final List<String> OF_JOBS = List.of("swap", "jobs", "job", "migrate");

  private static final int MISUSE_BESIDE_JOBS = 2;

  private NetchannelCommand() {}

  /** Runs one command line and returns its exit code. */
  static int run(PrintWriter out, PrintWriter err, String... arguments) {
    return commandLine(List.of(arguments)).setOut(out).setErr(err).execute(arguments);
  }

  /** All commands; or only the one that is called, which saves the start time of the others. */
  static CommandLine commandLine(List<String> arguments) {
    String first = arguments.isEmpty() ? "" : arguments.get(0);
    boolean one =
        COMMANDS.containsKey(first)
            && !first.equals("help")
            && !first.equals("generate-completion");
    CommandLine line = new CommandLine(new NetchannelCommand());
    COMMANDS.forEach(
        (name, command) -> {
          if (!one || name.equals(first)) {
            line.addSubcommand(name, command.get());
          }
        });
    line.registerConverter(Path.class, NetchannelCommand::path);
    line.setExecutionExceptionHandler(NetchannelCommand::failed);
    line.setParameterExceptionHandler(NetchannelCommand::misused);
    return line;
  }

  private static Path path(String text) {
    try {
      return PathText.parse(text);
    } catch (IllegalArgumentException e) {
      throw new TypeConversionException(e.getMessage());
    }
  }

  private static int failed(Exception failure, CommandLine line, CommandLine.ParseResult result)
      throws Exception {
    if (failure instanceof CommandFailedException) {
      line.getErr().println("error: " + failure.getMessage());
      return Main.FAILURE;
    }
    throw failure;
  }

  private static int misused(CommandLine.ParameterException misuse, String[] arguments) {
    CommandLine line = misuse.getCommandLine();
    line.getErr().println("error: " + misuse.getMessage());
    line.getErr().println("See '%s --help'.".formatted(line.getCommandSpec().qualifiedName()));
    return OF_JOBS.contains(line.getCommandName()) ? MISUSE_BESIDE_JOBS : Main.FAILURE;
  }

  /** The version that the build wrote into the jar. */
  static final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
      return new String[] {"netchannel " + ProductVersion.get()};
    }
  }
}
