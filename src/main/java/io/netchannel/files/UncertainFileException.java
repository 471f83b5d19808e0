package io.netchannel.files;

import java.io.IOException;
import java.nio.file.Path;

/**
 * A file was to be replaced, and nobody knows whether the old one or the new one is found after a
 * crash; both are whole.
 */
public final class UncertainFileException extends IOException {
  private static final long serialVersionUID = 1L;

  UncertainFileException(Path file, String step, IOException cause) {
    super(
        "%s: to %s failed (%s): after a power cut it has the old content or the new; check that disk"
            .formatted(file, step, DurableFile.reason(cause)),
        cause);
  }
}
