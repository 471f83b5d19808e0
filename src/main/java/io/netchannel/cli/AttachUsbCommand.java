package io.netchannel.cli;

import io.netchannel.device.usb.UsbShorthand;
import io.netchannel.libvirt.DeviceId;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "attach-usb",
    mixinStandardHelpOptions = true,
    description = {
      "Gives a domain a USB port that Netchannel serves, with what is plugged at a port of this"
          + " host or of another one.",
      "",
      "It need not be plugged yet; the guest sees it when it is. The port is noted in the domain's"
          + " <metadata>. With --persistent it is also noted for the next start; with --config only"
          + " for that."
    })
final class AttachUsbCommand implements Callable<Integer> {
  @Mixin private DomainOptions domain;
  @Mixin private SourceOptions around;
  @Spec private CommandSpec spec;

  @Parameters(
      index = "1",
      paramLabel = "PORT",
      converter = UsbPortConverter.class,
      description = "The guest's port, from 1 on.")
  private int port;

  @Parameters(
      index = "2",
      paramLabel = "SOURCE",
      description =
          "A port of this host such as 3-1.2, an id such as 1209:0003 as lsusb has it, or a source"
              + " such as netchannel://hostb/usb/stick.")
  private String source;

  /** What a guest that migrates sees of it; as on the command line. */
  enum Migrate {
    keep,
    replug
  }

  @Option(
      names = "--migrate",
      paramLabel = "keep|replug",
      description =
          "What the guest sees when it migrates: nothing (the default), or that it is unplugged"
              + " before and plugged after.")
  private Migrate migrate = Migrate.keep;

  @Override
  public Integer call() throws CommandFailedException {
    String text = around.around(UsbShorthand.expand(source));
    domain.attach(
        DeviceId.usb(port),
        "attach-usb",
        Map.of("port", port, "source", text, "migrate", migrate.name()),
        metadata -> {
          metadata.putUsb(port, text, migrate == Migrate.replug);
          return true;
        });
    spec.commandLine().getOut().println("USB port attached successfully");
    return 0;
  }
}
