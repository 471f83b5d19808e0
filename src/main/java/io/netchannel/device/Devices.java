package io.netchannel.device;

import com.google.common.collect.ImmutableSet;
import java.util.Optional;

/** Opens devices by their source text ("file:/dev/vdb", "delay:write=300ms!file:/srv/a.raw"). */
@FunctionalInterface
public interface Devices {

  /**
   * Opens a device with its filters.
   *
   * @param source filters, outermost first, each followed by '!', then the device
   * @throws DeviceException when the text is no source or the device cannot be opened
   */
  Device open(String source, OpenOptions options) throws DeviceException;

  /**
   * Opens a device of which another one, that is open, is the first part. That is closed with it
   * from then on; when this fails it is as it was.
   *
   * @throws DeviceException also when the source is no such device
   */
  default Device openAround(String source, Device present, OpenOptions options)
      throws DeviceException {
    throw new DeviceException(source + ": is not one that another device is a part of");
  }

  /** As {@link #open(String, OpenOptions)} without a user. */
  default Device open(String source, boolean readOnly) throws DeviceException {
    return open(source, OpenOptions.plain(readOnly));
  }

  /**
   * The newest generation with which this user has used the device, as far as the device itself
   * knows that; 0 otherwise. Who starts anew takes a newer one.
   *
   * @param user its name, as in {@link OpenOptions.User}
   */
  default long newestGeneration(String source, String user, boolean readOnly)
      throws DeviceException {
    return 0;
  }

  /**
   * Gives the place of a user free that has gone, and whose server may have kept it ({@link
   * Device#keepPlace}) from all others. Nothing where somebody newer has it.
   *
   * @param options as it was used last
   * @throws DeviceException when that is not known to be done
   */
  default void giveFree(String source, OpenOptions options) throws DeviceException {}

  /**
   * Checks that nothing else on this host has the device for itself, such as a mounted file system:
   * before others may write to it.
   *
   * @throws DeviceException when something has, or the text is no source
   */
  default void checkUnused(String source) throws DeviceException {}

  /**
   * Makes a device that is not there yet, of a kind that can be made.
   *
   * @throws DeviceException when there is something already, or there is no such kind
   */
  default void create(String source, long sizeBytes) throws DeviceException {
    throw new DeviceException(source + ": cannot be created; expected the file: of a new file");
  }

  /**
   * The device alone, without filters and without the way it is used: two sources of one place are
   * the same storage. Only says how it is written; see {@link #storage}.
   *
   * @throws DeviceException when the text is no source
   */
  default String place(String source) throws DeviceException {
    return source;
  }

  /**
   * The storage that a source leads to at present, however it is written: of a file its file system
   * and inode, of a block device its number, of an export what its server says that it is; of what
   * does not tell, its place. May have to wait for the storage, or for a server.
   *
   * @throws DeviceException when the text is no source, or leads to nothing
   */
  default Storage storage(String source) throws DeviceException {
    return Storage.called(ImmutableSet.of(place(source)));
  }

  /**
   * The export of this host's own server by which a client may write to a storage just now; it is
   * remembered, and nothing is waited for.
   */
  default Optional<String> exportInUse(Storage storage) {
    return Optional.empty();
  }

  /**
   * The export of this host's own server by which clients may come to write to a storage, whether
   * somebody uses it or not. Waits for the storage of the exports, within a bound.
   */
  default Optional<String> exportOf(Storage storage) {
    return Optional.empty();
  }

  /**
   * A disk of a guest is about to use a storage of this host by its path: this host's own server
   * deletes it never more, and that is durable when it returns.
   *
   * @throws DeviceException when that cannot be stored, or it is being deleted just now
   */
  default void usedByPath(Storage storage) throws DeviceException {}

  /** Opens, reads the geometry and closes again: what a destination does before it accepts. */
  default DeviceGeometry probe(String source, boolean readOnly) throws DeviceException {
    try (Device device = open(source, OpenOptions.probe(readOnly))) {
      return device.geometry();
    }
  }
}
