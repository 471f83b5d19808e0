package io.netchannel.device;

import java.util.Optional;

/** Opens the devices behind one scheme of a source text. */
@FunctionalInterface
public interface DeviceKind {

  /**
   * Opens one.
   *
   * @param text what follows the scheme and its colon
   */
  Device open(String text, OpenOptions options) throws DeviceException;

  /** As {@link Devices#newestGeneration}. */
  default long newestGeneration(String text, String user, boolean readOnly) throws DeviceException {
    return 0;
  }

  /** As {@link Devices#giveFree}. */
  default void giveFree(String text, OpenOptions options) throws DeviceException {
    OpenOptions.User user = options.user().orElseThrow();
    if (newestGeneration(text, user.name(), options.readOnly()) == user.generation()) {
      open(text, options).close();
    }
  }

  /** As {@link Devices#openAround}. */
  default Device openAround(String text, Device present, OpenOptions options)
      throws DeviceException {
    throw new DeviceException(text + ": is not one that another device is a part of");
  }

  /**
   * Checks the text without opening anything.
   *
   * @throws DeviceException when it names nothing of this kind
   */
  default void check(String text) throws DeviceException {}

  /** As {@link Devices#create}. */
  default void create(String text, long sizeBytes) throws DeviceException {
    throw new DeviceException(text + ": cannot be created; expected the file: of a new file");
  }

  /** As {@link Devices#storage}; empty when all that is known is how it is written. */
  default Optional<Storage> storage(String text) throws DeviceException {
    return Optional.empty();
  }

  /** As {@link Devices#checkUnused}. */
  default void checkUnused(String text) throws DeviceException {}
}
