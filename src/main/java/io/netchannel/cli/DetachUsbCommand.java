package io.netchannel.cli;

import io.netchannel.libvirt.DeviceId;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "detach-usb",
    mixinStandardHelpOptions = true,
    description = {
      "Takes a Netchannel USB port from a domain.",
      "",
      "To the guest it is as if the device was unplugged: unmount a stick before. A guest that does"
          + " not answer within --timeout keeps the port as it was asked, closing, unless --force"
          + " is given."
    })
final class DetachUsbCommand implements Callable<Integer> {
  @Mixin private DetachOptions detach;
  @Spec private CommandSpec spec;

  @Parameters(
      index = "1",
      paramLabel = "PORT",
      converter = UsbPortConverter.class,
      description = "The guest's port.")
  private int port;

  @Override
  public Integer call() throws CommandFailedException {
    detach.detach(DeviceId.usb(port), "detach-usb", Map.of("port", port));
    spec.commandLine().getOut().println("USB port detached successfully");
    return 0;
  }
}
