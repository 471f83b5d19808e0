package io.netchannel.device;

import com.google.common.collect.ImmutableSet;
import com.google.common.collect.ImmutableSortedSet;
import com.google.common.collect.Sets;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.UUID;

/**
 * Which storage a source leads to, as far as that can be told: whoever is about to overwrite one
 * asks whether it is another's. A file has an identity, however its path is written; so has an
 * export, which is that of the file at its server's host, however the server is called. What is
 * known by names only may have others.
 *
 * <p>Not the same for a partition and its disk, for two paths to one LUN, for a loop device and its
 * file, nor for an NBD server and what it serves.
 *
 * @param identity the same on every host; another one after a restart of the storage's host. Empty
 *     when it is not told
 * @param names where it is asked for, in every form that is known
 * @param telling where the identity is from
 * @param incarnation another one as soon as what was written and not flushed may be lost with the
 *     host that has it, and of what was made anew under the same identity. Empty where that is not
 *     noticed: of a file without a birth time, and of what is known by names only, as an NBD
 *     server, which tells nobody that it has lost something
 */
public record Storage(
    Optional<UUID> identity,
    ImmutableSet<String> names,
    Telling telling,
    Optional<UUID> incarnation) {
  private static final Path BOOT_ID = Path.of("/proc/sys/kernel/random/boot_id");

  /** Where an identity is from. */
  public enum Telling {
    /** It is a file or block device of this host, and the kernel numbers it. */
    KERNEL,
    /** Who serves it says it, or it is another host's. */
    SERVER,
    /** It is any of this host, behind a server that does not say which. */
    NOBODY
  }

  /**
   * One of this host.
   *
   * @param number the kernel's, until the host is started anew
   * @param birth what another one has that gets the same number; empty when that is not known
   */
  public static Storage ofKernel(String number, Optional<String> birth) throws DeviceException {
    String identity = bootId() + " " + number;
    return new Storage(
        Optional.of(uuid(identity)),
        ImmutableSet.of(),
        Telling.KERNEL,
        birth.map(each -> uuid(identity + " " + each)));
  }

  /** One whose server says which it is. */
  public static Storage told(UUID identity) {
    return new Storage(
        Optional.of(identity), ImmutableSet.of(), Telling.SERVER, Optional.of(identity));
  }

  /**
   * One that a server has, which does not say which.
   *
   * @param isHere whether that server is on this host
   */
  public static Storage untold(Iterable<String> names, boolean isHere) {
    return new Storage(
        Optional.empty(),
        ImmutableSet.copyOf(names),
        isHere ? Telling.NOBODY : Telling.SERVER,
        Optional.empty());
  }

  /** One that is known by what it is called on this host, and its names are its identity. */
  public static Storage called(Iterable<String> names) throws DeviceException {
    ImmutableSet<String> all = ImmutableSet.copyOf(names);
    String sorted = String.join("\n", ImmutableSortedSet.copyOf(all));
    return new Storage(
        Optional.of(uuid(bootId() + " " + sorted)), all, Telling.SERVER, Optional.empty());
  }

  public boolean isSame(Storage other) {
    return (identity.isPresent() && identity.equals(other.identity))
        || !Sets.intersection(names, other.names).isEmpty();
  }

  /** Whether nobody knows if they are one. */
  public boolean mayBe(Storage other) {
    return (telling == Telling.NOBODY && other.telling == Telling.KERNEL)
        || (telling == Telling.KERNEL && other.telling == Telling.NOBODY);
  }

  /** What to say of a source of which nobody knows whether it is {@code whose}, and what to do. */
  public static String cannotBeTold(String source, String whose) {
    return "whether %s is %s cannot be told: a device server of this host that is too old does not say which storage it has; start it anew with this version"
        .formatted(source, whose);
  }

  private static UUID uuid(String text) {
    return UUID.nameUUIDFromBytes(text.getBytes(StandardCharsets.UTF_8));
  }

  /** Whose numbers they are: the same in all containers of a host. */
  private static String bootId() throws DeviceException {
    try {
      return Files.readString(BOOT_ID).strip();
    } catch (IOException e) {
      throw new DeviceException("%s cannot be read: %s".formatted(BOOT_ID, e), e);
    }
  }
}
