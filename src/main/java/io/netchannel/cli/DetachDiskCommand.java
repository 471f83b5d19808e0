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
    name = "detach-disk",
    mixinStandardHelpOptions = true,
    description = {
      "Takes a Netchannel disk from a domain.",
      "",
      "The guest is asked to let go of the disk and finishes its requests first; a disk that it has"
          + " mounted stays until --timeout passes, and is then left as it was asked: closing."
    })
final class DetachDiskCommand implements Callable<Integer> {
  @Mixin private DetachOptions detach;
  @Spec private CommandSpec spec;

  @Parameters(index = "1", paramLabel = "TARGET", description = "The disk's name in the guest.")
  private String target;

  @Override
  public Integer call() throws CommandFailedException {
    detach.detach(DeviceId.disk(target), "detach-disk", Map.of("target", target));
    spec.commandLine().getOut().println("Disk detached successfully");
    return 0;
  }
}
