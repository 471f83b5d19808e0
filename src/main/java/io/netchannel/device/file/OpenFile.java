package io.netchannel.device.file;

import static java.nio.file.StandardOpenOption.CREATE_NEW;
import static java.nio.file.StandardOpenOption.WRITE;

import com.sun.jna.Platform;
import io.netchannel.device.BlockBuffers;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.Storage;
import io.netchannel.files.DurableFile;
import io.netchannel.files.FileCalls;
import io.netchannel.text.PathText;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A file or block device that has been opened and found fit to serve.
 *
 * @param direct whether I/O bypasses the page cache
 */
record OpenFile(
    Path path, NativeFile file, DeviceGeometry geometry, boolean direct, boolean blockDevice) {
  private static final Logger log = LoggerFactory.getLogger(OpenFile.class);

  /** The unit of io/blkif.h, and of direct I/O on every common file system. */
  static final int SECTOR_BYTES = 512;

  /** The block of common file systems: smaller writes make them read first. */
  static final int FILE_BLOCK_BYTES = 4096;

  /** Largest logical block a guest's disk may have: a page, the unit of a ring segment. */
  private static final int MAX_LOGICAL_BLOCK_BYTES = 4096;

  private static final int TYPE_MASK = 0170000;
  private static final int TYPE_REGULAR = 0100000;
  private static final int TYPE_BLOCK = 0060000;
  private static final int TYPE_DIRECTORY = 0040000;

  /** Opens {@code text} or says in plain words why that cannot be. */
  static OpenFile open(String text, boolean readOnly, boolean tryDirect) throws DeviceException {
    if (!text.startsWith("/")) {
      throw new DeviceException(
          "file:%s is not an absolute path; write it from the root, for example file:/srv/disk.raw"
              .formatted(text));
    }
    if (!Platform.isLinux() || !Platform.is64Bit()) {
      throw new DeviceException("file: devices need a 64-bit Linux");
    }
    Path path = path(text);
    Map<String, Object> attributes = attributesOf(path);
    int type = (Integer) attributes.get("mode") & TYPE_MASK;
    if (type == TYPE_DIRECTORY) {
      throw new DeviceException(
          path + " is a directory; a regular file or a block device is needed");
    }
    if (type != TYPE_REGULAR && type != TYPE_BLOCK) {
      throw new DeviceException(
          path + " is neither a regular file nor a block device; only these can be served");
    }
    boolean blockDevice = type == TYPE_BLOCK;
    boolean direct = tryDirect;
    NativeFile file = direct ? openDirect(path, readOnly) : null;
    if (file == null) {
      direct = false;
      file = openWith(path, readOnly, 0);
    }
    try {
      DeviceGeometry geometry =
          blockDevice
              ? blockGeometry(path, file, (Long) attributes.get("rdev"), readOnly)
              : fileGeometry(path, file, (Long) attributes.get("size"), readOnly);
      if (direct && !acceptsDirectRead(file, geometry)) {
        log.warn(
            "{}: its file system wants direct I/O in units larger than {} bytes;"
                + " the page cache is used instead",
            path,
            geometry.logicalBlockBytes());
        file.close();
        direct = false;
        file = openWith(path, readOnly, 0);
      }
      if (!direct) {
        forgetCache(path, file, readOnly);
      }
      return new OpenFile(path, file, geometry, direct, blockDevice);
    } catch (DeviceException | RuntimeException e) {
      file.close();
      throw e;
    }
  }

  /** As {@link FileDevice#checkUnused}. */
  static void checkUnused(String text) throws DeviceException {
    Path path = path(text);
    if (((Integer) attributesOf(path).get("mode") & TYPE_MASK) != TYPE_BLOCK) {
      return;
    }
    try {
      // The kernel keeps whoever asks for that apart from mounts and the like, and from each other.
      NativeFile.open(text, Libc.O_RDONLY | Libc.O_EXCL).close();
    } catch (NativeFile.OpenException e) {
      if (e.errno() == Libc.EBUSY) {
        throw new DeviceException(
            "%s is in use on this host: mounted, or part of swap, LVM or RAID, as lsblk %s tells"
                    .formatted(path, path)
                + "; two writers would destroy what is on it. End that use first, or serve it"
                + " read-only",
            e);
      }
      throw cannotOpen(path, true, e);
    }
  }

  /** As {@link FileDevice#create}. */
  static void create(String text, long sizeBytes) throws DeviceException {
    Path path = path(text);
    boolean made = false;
    try (FileChannel file =
        FileChannel.open(
            path,
            Set.of(CREATE_NEW, WRITE),
            PosixFilePermissions.asFileAttribute(DurableFile.PRIVATE))) {
      made = true;
      file.write(ByteBuffer.allocate(1), sizeBytes - 1); // its last byte: the rest is a hole
      file.force(true);
      FileCalls.SYSTEM.forceDirectory(path.toAbsolutePath().getParent());
    } catch (FileAlreadyExistsException e) {
      throw new DeviceException(
          path + ": expected nothing there, found a file; remove it, or leave out --create", e);
    } catch (IOException e) {
      if (made) {
        removeHalfMade(path, e);
      }
      throw new DeviceException("%s cannot be created: %s".formatted(path, e), e);
    }
  }

  /** It would be in the way of the next attempt. */
  private static void removeHalfMade(Path path, IOException why) {
    try {
      Files.delete(path);
    } catch (IOException e) {
      why.addSuppressed(e);
    }
  }

  /** As {@link FileDevice#storage}. */
  static Storage storage(String text) throws DeviceException {
    Path path = path(text);
    Map<String, Object> attributes = attributesOf(path);
    Optional<String> birth = birth(path);
    if (((Integer) attributes.get("mode") & TYPE_MASK) == TYPE_BLOCK) {
      // The kernel makes the node with the device; where it does not say when the number has to do.
      return Storage.ofKernel("block " + attributes.get("rdev"), Optional.of(birth.orElse("")));
    }
    return Storage.ofKernel("file " + attributes.get("dev") + " " + attributes.get("ino"), birth);
  }

  private static Optional<String> birth(Path path) throws DeviceException {
    try {
      return FileStat.of(path.toRealPath()).flatMap(FileStat::birth).map(FileStat.Birth::toString);
    } catch (IOException e) {
      throw cannotBeExamined(path, e);
    }
  }

  private static Path path(String text) throws DeviceException {
    try {
      return PathText.parse(text);
    } catch (IllegalArgumentException e) {
      throw new DeviceException("file: " + e.getMessage(), e);
    }
  }

  private static Map<String, Object> attributesOf(Path path) throws DeviceException {
    try {
      return Files.readAttributes(path, "unix:mode,size,rdev,dev,ino");
    } catch (NoSuchFileException e) {
      throw new DeviceException(path + " does not exist on this host", e);
    } catch (IOException e) {
      throw cannotBeExamined(path, e);
    }
  }

  private static DeviceException cannotBeExamined(Path path, IOException why) {
    return new DeviceException("%s cannot be examined: %s".formatted(path, why.getMessage()), why);
  }

  /** Null, with a log line, when the file system has no direct I/O. */
  private static NativeFile openDirect(Path path, boolean readOnly) throws DeviceException {
    try {
      return NativeFile.open(path.toString(), flags(readOnly) | Libc.O_DIRECT);
    } catch (NativeFile.OpenException e) {
      if (e.errno() == Libc.EINVAL) {
        log.warn("{}: its file system has no direct I/O; the page cache is used instead", path);
        return null;
      }
      throw cannotOpen(path, readOnly, e);
    }
  }

  private static NativeFile openWith(Path path, boolean readOnly, int flags)
      throws DeviceException {
    try {
      return NativeFile.open(path.toString(), flags(readOnly) | flags);
    } catch (NativeFile.OpenException e) {
      throw cannotOpen(path, readOnly, e);
    }
  }

  private static int flags(boolean readOnly) {
    return readOnly ? Libc.O_RDONLY : Libc.O_RDWR;
  }

  private static DeviceException cannotOpen(
      Path path, boolean readOnly, NativeFile.OpenException e) {
    String forWhat = readOnly ? "reading" : "reading and writing";
    String advice =
        switch (e.errno()) {
          case Libc.EACCES, Libc.EPERM ->
              readOnly
                  ? "; netchanneld needs permission to read it"
                  : "; netchanneld needs permission to write it, or serve it with readonly=\"yes\"";
          case Libc.EROFS -> "; it can only be served with readonly=\"yes\"";
          case Libc.EBUSY -> "; something else on this host holds it exclusively";
          default -> "";
        };
    return new DeviceException(
        "%s cannot be opened for %s: %s%s".formatted(path, forWhat, e.getMessage(), advice), e);
  }

  private static DeviceGeometry fileGeometry(
      Path path, NativeFile file, long sizeBytes, boolean readOnly) throws DeviceException {
    long usable = sizeBytes - sizeBytes % SECTOR_BYTES;
    if (usable == 0) {
      throw new DeviceException(
          "%s has %d bytes; a disk needs at least one sector of %d (make one with: truncate -s 10G %s)"
              .formatted(path, sizeBytes, SECTOR_BYTES, path));
    }
    if (usable != sizeBytes) {
      log.warn(
          "{}: its size of {} bytes is not a multiple of {}; the last {} bytes are not served",
          path,
          sizeBytes,
          SECTOR_BYTES,
          sizeBytes - usable);
    }
    // A hole beyond the end changes nothing, but tells whether the file system can make holes.
    long past = (sizeBytes / FILE_BLOCK_BYTES + 1) * FILE_BLOCK_BYTES;
    boolean canDiscard = !readOnly && file.punchHole(past, FILE_BLOCK_BYTES) == 0;
    return new DeviceGeometry(
        usable,
        SECTOR_BYTES,
        FILE_BLOCK_BYTES,
        readOnly,
        true,
        canDiscard,
        canDiscard ? FILE_BLOCK_BYTES : 0,
        canDiscard);
  }

  private static DeviceGeometry blockGeometry(
      Path path, NativeFile file, long rdev, boolean readOnly) throws DeviceException {
    long sizeBytes = ask(path, "size", file.ioctlLong(Libc.BLKGETSIZE64));
    int logical = (int) ask(path, "logical block size", file.ioctlInt(Libc.BLKSSZGET));
    int physical = (int) ask(path, "physical block size", file.ioctlInt(Libc.BLKPBSZGET));
    if (logical < SECTOR_BYTES || logical > MAX_LOGICAL_BLOCK_BYTES) {
      throw new DeviceException(
          "%s has logical blocks of %d bytes; a Xen virtual disk has %d to %d"
              .formatted(path, logical, SECTOR_BYTES, MAX_LOGICAL_BLOCK_BYTES));
    }
    if (sizeBytes == 0) {
      throw new DeviceException(path + " has no size: no medium, or not set up yet");
    }
    if (!readOnly && ask(path, "read-only flag", file.ioctlInt(Libc.BLKROGET)) != 0) {
      throw new DeviceException(
          path + " is a read-only block device; it can only be served with readonly=\"yes\"");
    }
    BlockQueue queue = BlockQueue.of(rdev);
    int granularity = readOnly ? 0 : queue.discardGranularityBytes();
    return new DeviceGeometry(
        sizeBytes - sizeBytes % logical,
        logical,
        Math.max(physical, logical),
        readOnly,
        true,
        granularity > 0,
        granularity,
        !readOnly && queue.canZero());
  }

  private static long ask(Path path, String what, long result) throws DeviceException {
    if (result < 0) {
      throw new DeviceException(
          "%s does not tell its %s: %s".formatted(path, what, NativeFile.describe((int) -result)));
    }
    return result;
  }

  /** Some file systems accept O_DIRECT and then refuse a sector: their unit is larger. */
  private static boolean acceptsDirectRead(NativeFile file, DeviceGeometry geometry) {
    int unit = geometry.logicalBlockBytes();
    long lastUnit = geometry.sizeBytes() - unit;
    return file.read(BlockBuffers.allocate(unit), 0, unit, lastUnit) != -Libc.EINVAL;
  }

  /** Pages read before now may be older than what another host has written since. */
  private static void forgetCache(Path path, NativeFile file, boolean readOnly)
      throws DeviceException {
    // Dirty pages are not dropped: write them first, while nobody uses the device yet.
    long synced = readOnly ? 0 : file.sync();
    long dropped = file.dropCache();
    long error = synced < 0 ? synced : dropped;
    if (error < 0) {
      throw new DeviceException(
          "the cached pages of %s cannot be dropped: %s"
              .formatted(path, NativeFile.describe((int) -error)));
    }
  }
}
