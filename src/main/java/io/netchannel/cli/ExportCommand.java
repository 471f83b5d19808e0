package io.netchannel.cli;

import io.netchannel.device.usb.UsbShorthand;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "export",
    mixinStandardHelpOptions = true,
    description = {
      "Lets other hosts use a device of this one: a disk as netchannel://THIS-HOST/NAME, what is"
          + " plugged at a USB port, with --usb, as netchannel://THIS-HOST/usb/NAME.",
      "",
      "It stays exported until 'netchannel unexport', also after a restart."
    })
final class ExportCommand implements Callable<Integer> {
  @Mixin private ControlOptions control;
  @Spec private CommandSpec spec;

  @Parameters(index = "0", paramLabel = "NAME", description = "What its clients call it.")
  private String name;

  @Parameters(
      index = "1",
      paramLabel = "PATH|SOURCE|PORT|ID",
      description =
          "An absolute path, or a source such as \"file:/dev/vg0/data\"; with --usb a port such as"
              + " 3-1.2, an id such as 1209:0003, or a source such as"
              + " \"usb:id=1209:0003,serial=NC42\".")
  private String source;

  @Option(
      names = "--usb",
      description = "It is a USB device: what is plugged at that port, or wherever that id is.")
  private boolean usb;

  @Option(
      names = "--allow",
      paramLabel = "NAME",
      split = ",",
      description =
          "Who may use it: names in the clients' certificates. Without any, only this host itself.")
  private List<String> allow = List.of();

  @Option(names = "--read-only", description = "Nobody may write; many may read.")
  private boolean readOnly;

  @Override
  public Integer call() throws CommandFailedException {
    if (usb && readOnly) {
      throw new ParameterException(
          spec.commandLine(), "--read-only is for a disk; leave it out, or --usb");
    }
    control.call(
        Map.of(
            "command",
            "export",
            "name",
            name,
            "kind",
            usb ? "usb" : "disk",
            "source",
            usb ? UsbShorthand.expand(source) : AttachDiskCommand.sourceText(source),
            "readOnly",
            readOnly,
            "allow",
            allow));
    spec.commandLine().getOut().println("Exported as " + name);
    return 0;
  }
}
