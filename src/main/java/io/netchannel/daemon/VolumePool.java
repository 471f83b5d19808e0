package io.netchannel.daemon;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/**
 * A directory in which volumes are made for disks that come to this host.
 *
 * @param deleteMoved how long the file of a disk that has moved away stays; empty for ever
 */
public record VolumePool(Path directory, Optional<Duration> deleteMoved) {}
