package io.netchannel.cli;

import io.netchannel.daemon.Json;
import io.netchannel.libvirt.DomainMetadata;
import io.netchannel.libvirt.MetadataException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "attach-disk",
    mixinStandardHelpOptions = true,
    description = {
      "Gives a domain a disk that Netchannel serves.",
      "",
      "The disk is plugged into the running domain and noted in its <metadata>, so that a save or a"
          + " migration carries it. With --persistent it is also noted for the next start; with"
          + " --config only for that."
    })
final class AttachDiskCommand implements Callable<Integer> {
  enum Mode {
    readwrite,
    readonly
  }

  /** How the source begins that is the same on every host. */
  private static final String FOR_ALL = "netchannel://";

  @Mixin private ControlOptions control;
  @Mixin private DefinitionOptions definition;
  @Spec private CommandSpec spec;

  @Parameters(index = "0", paramLabel = "DOMAIN", description = "The domain's name, id or UUID.")
  private String domain;

  @Parameters(
      index = "1",
      paramLabel = "SOURCE",
      description = "A path of a file or block device, or a source such as file:/dev/vdb.")
  private String source;

  @Parameters(
      index = "2",
      paramLabel = "TARGET",
      description = "The disk's name in the guest, such as xvdb.")
  private String target;

  @Option(
      names = "--mode",
      paramLabel = "MODE",
      description = "${COMPLETION-CANDIDATES} (default: readwrite).")
  private Mode mode = Mode.readwrite;

  @Option(names = "--readonly", description = "The same as --mode readonly.")
  private boolean readOnly;

  @Option(
      names = "--filter",
      paramLabel = "FILTER",
      description = {
        "A filter around the device, such as delay:read=300ms or trace:/tmp/x.jsonl; may be given "
            + "several times, outermost first."
      })
  private List<String> filters = new ArrayList<>();

  @Option(
      names = "--follow",
      paramLabel = "POOL",
      description =
          "After each migration the disk, netchannel://HOST/NAME, comes after its guest: into the"
              + " [[pool]] of that name at the host where the guest is then.")
  private Optional<String> follow = Optional.empty();

  @Override
  public Integer call() throws CommandFailedException {
    String text = sourceText(source, filters);
    boolean noWrites = readOnly || mode == Mode.readonly;
    if (follow.isPresent()) {
      checkFollows(text, noWrites);
    }
    String name = domain;
    if (definition.live()) {
      Map<String, Object> request =
          Map.of(
              "command", "attach-disk",
              "domain", domain,
              "source", text,
              "target", target,
              "readOnly", noWrites);
      name = String.valueOf(Json.object(control.call(request)).get("domain"));
      noteLive(name, text, noWrites);
      if (follow.isPresent()) {
        control.call(Map.of("command", "follow", "domain", domain));
      }
    }
    if (definition.config()) {
      try {
        new DomainMetadata(name, DomainMetadata.Definition.CONFIG)
            .put(target, text, noWrites, follow);
      } catch (MetadataException e) {
        throw new CommandFailedException(e.getMessage(), e);
      }
    }
    spec.commandLine().getOut().println("Disk attached successfully");
    return 0;
  }

  /** A start would refuse it, or it would never follow. */
  private void checkFollows(String text, boolean noWrites) {
    if (follow.orElseThrow().isBlank()) {
      throw misuse("--follow names no pool; e.g. --follow fast");
    }
    if (noWrites) {
      throw misuse("--follow is for a disk that is written to; leave it out, or --readonly");
    }
    if (!text.substring(text.lastIndexOf('!') + 1).startsWith(FOR_ALL)) {
      throw misuse(
          "--follow is for an export that every host reaches, %sHOST/NAME: %s stays on its host. `netchannel export` it there and attach that"
              .formatted(FOR_ALL, text));
    }
  }

  private ParameterException misuse(String words) {
    return new ParameterException(spec.commandLine(), words);
  }

  private void noteLive(String name, String text, boolean noWrites) throws CommandFailedException {
    try {
      new DomainMetadata(name, DomainMetadata.Definition.LIVE).put(target, text, noWrites, follow);
    } catch (MetadataException e) {
      throw new CommandFailedException(
          "disk %s is attached, but a save of %s will not carry it: %s"
              .formatted(target, name, e.getMessage()),
          e);
    }
  }

  /** The source with its filters in front, and "file:" before a bare path. */
  static String sourceText(String source, List<String> filters) {
    List<String> parts = new ArrayList<>(filters);
    parts.add(source.startsWith("/") ? "file:" + source : source);
    return String.join("!", parts);
  }
}
