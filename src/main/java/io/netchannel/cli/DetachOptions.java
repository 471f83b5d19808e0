package io.netchannel.cli;

import io.netchannel.libvirt.DeviceId;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** How a device is taken from a domain. */
final class DetachOptions {
  @Mixin private DomainOptions domain;

  @Option(
      names = "--force",
      description = "Remove it even when the guest does not let go: it gets I/O errors.")
  private boolean force;

  @Option(
      names = "--timeout",
      paramLabel = "SECONDS",
      defaultValue = "10",
      description = "How long the guest may take (default: ${DEFAULT-VALUE}).")
  private int timeoutSeconds = 10;

  /**
   * Does it.
   *
   * @param which names the device to the daemon
   */
  void detach(DeviceId device, String command, Map<String, Object> which)
      throws CommandFailedException {
    Map<String, Object> request = new LinkedHashMap<>(which);
    request.put("force", force);
    request.put("timeoutSeconds", timeoutSeconds);
    domain.detach(device, command, request);
  }
}
