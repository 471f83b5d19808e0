package io.netchannel.cli;

import io.netchannel.daemon.Json;
import io.netchannel.libvirt.DomainMetadata;
import io.netchannel.libvirt.DomainMetadata.Definition;
import io.netchannel.libvirt.MetadataException;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
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
  @Mixin private ControlOptions control;
  @Mixin private DefinitionOptions definition;
  @Spec private CommandSpec spec;

  @Parameters(index = "0", paramLabel = "DOMAIN", description = "The domain's name, id or UUID.")
  private String domain;

  @Parameters(index = "1", paramLabel = "TARGET", description = "The disk's name in the guest.")
  private String target;

  @Option(
      names = "--force",
      description = "Remove the disk even when the guest does not let go: it gets I/O errors.")
  private boolean force;

  @Option(
      names = "--timeout",
      paramLabel = "SECONDS",
      defaultValue = "10",
      description = "How long the guest may take (default: ${DEFAULT-VALUE}).")
  private int timeoutSeconds = 10;

  @Override
  public Integer call() throws CommandFailedException {
    String name = domain;
    if (definition.live()) {
      Map<String, Object> request =
          Map.of(
              "command", "detach-disk",
              "domain", domain,
              "target", target,
              "force", force,
              "timeoutSeconds", timeoutSeconds);
      name = String.valueOf(Json.object(control.call(request)).get("domain"));
      remove(name, Definition.LIVE);
    }
    if (definition.config() && !remove(name, Definition.CONFIG) && !definition.live()) {
      throw new CommandFailedException(
          "the definition of %s names no Netchannel disk %s".formatted(name, target));
    }
    spec.commandLine().getOut().println("Disk detached successfully");
    return 0;
  }

  private boolean remove(String name, Definition from) throws CommandFailedException {
    try {
      return new DomainMetadata(name, from).remove(target);
    } catch (MetadataException e) {
      throw new CommandFailedException(e.getMessage(), e);
    }
  }
}
