package io.netchannel.cli;

import io.netchannel.daemon.Json;
import io.netchannel.libvirt.DeviceId;
import io.netchannel.libvirt.DomainMetadata;
import io.netchannel.libvirt.DomainMetadata.Definition;
import io.netchannel.libvirt.MetadataException;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/**
 * Of which domain, and in which of its two definitions, a device is changed: plugged or unplugged
 * by the daemon, and noted in the {@code <metadata>}.
 */
final class DomainOptions {
  @Mixin private ControlOptions control;
  @Mixin private DefinitionOptions definition;

  @Parameters(index = "0", paramLabel = "DOMAIN", description = "The domain's name, id or UUID.")
  private String domain;

  /** A change of one definition. */
  @FunctionalInterface
  interface Change {
    /** Whether there was something to change. */
    boolean in(DomainMetadata metadata) throws MetadataException;
  }

  /**
   * Gives the domain a device.
   *
   * @param command of the daemon
   * @param request what it is told beside the domain
   * @param note the device in a definition
   */
  void attach(DeviceId device, String command, Map<String, Object> request, Change note)
      throws CommandFailedException {
    String name = domain;
    if (definition.live()) {
      name = call(command, request);
      try {
        note.in(new DomainMetadata(name, Definition.LIVE));
      } catch (MetadataException e) {
        throw new CommandFailedException(
            "%s is attached, but a save of %s will not carry it: %s"
                .formatted(device, name, e.getMessage()),
            e);
      }
    }
    if (definition.config()) {
      change(name, Definition.CONFIG, note);
    }
  }

  /** Takes a device from the domain. */
  void detach(DeviceId device, String command, Map<String, Object> request)
      throws CommandFailedException {
    String name = domain;
    Change removal = metadata -> metadata.remove(device);
    if (definition.live()) {
      name = call(command, request);
      change(name, Definition.LIVE, removal);
    }
    if (definition.config() && !change(name, Definition.CONFIG, removal) && !definition.live()) {
      throw new CommandFailedException(
          "the definition of %s names no Netchannel %s".formatted(name, device));
    }
  }

  /** Tells the daemon something of the running domain; nothing when that is not to be changed. */
  void tellLive(String command) throws CommandFailedException {
    if (definition.live()) {
      control.call(Map.of("command", command, "domain", domain));
    }
  }

  /** The domain's name. */
  private String call(String command, Map<String, Object> request) throws CommandFailedException {
    Map<String, Object> all = new LinkedHashMap<>(request);
    all.put("command", command);
    all.put("domain", domain);
    return String.valueOf(Json.object(control.call(all)).get("domain"));
  }

  private static boolean change(String name, Definition which, Change change)
      throws CommandFailedException {
    try {
      return change.in(new DomainMetadata(name, which));
    } catch (MetadataException e) {
      throw new CommandFailedException(e.getMessage(), e);
    }
  }
}
