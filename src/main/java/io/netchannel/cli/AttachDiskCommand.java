package io.netchannel.cli;

import io.netchannel.libvirt.DeviceId;
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

  @Mixin private DomainOptions domain;
  @Mixin private SourceOptions around;
  @Spec private CommandSpec spec;

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
      names = "--follow",
      paramLabel = "POOL",
      description =
          "After each migration the disk, netchannel://HOST/NAME, comes after its guest: into the"
              + " [[pool]] of that name at the host where the guest is then.")
  private Optional<String> follow = Optional.empty();

  @Override
  public Integer call() throws CommandFailedException {
    String text = around.around(sourceText(source));
    boolean noWrites = readOnly || mode == Mode.readonly;
    if (follow.isPresent()) {
      checkFollows(text, noWrites);
    }
    domain.attach(
        DeviceId.disk(target),
        "attach-disk",
        Map.of("source", text, "target", target, "readOnly", noWrites),
        metadata -> {
          metadata.put(target, text, noWrites, follow);
          return true;
        });
    if (follow.isPresent()) {
      domain.tellLive("follow");
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

  /** Also of a bare path. */
  static String sourceText(String source) {
    return source.startsWith("/") ? "file:" + source : source;
  }
}
