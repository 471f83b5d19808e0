package io.netchannel.cli;

import picocli.CommandLine.Option;

/** virsh's choice between the running domain and its definition. */
final class DefinitionOptions {
  @Option(names = "--live", description = "Change the running domain (the default).")
  private boolean live;

  @Option(
      names = "--config",
      description = "Change the domain's definition: what its next start uses.")
  private boolean config;

  @Option(names = "--persistent", description = "Both: --live and --config.")
  private boolean persistent;

  boolean live() {
    return persistent || live || !config;
  }

  boolean config() {
    return persistent || config;
  }
}
