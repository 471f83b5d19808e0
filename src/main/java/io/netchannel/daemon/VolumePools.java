package io.netchannel.daemon;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.net.HostAndPort;
import io.netchannel.coordinator.MigrationRefusedException;
import io.netchannel.coordinator.PeerExports;
import io.netchannel.coordinator.PeerMessages;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Devices;
import io.netchannel.device.Extents;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.file.FileStat;
import io.netchannel.server.Export;
import io.netchannel.server.ExportException;
import io.netchannel.server.ExportUse;
import io.netchannel.wire.Names;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Directories of this host in which it makes volumes for disks that come to it: sparse files, each
 * exported under the name that its disk has elsewhere.
 *
 * <pre>
 *   an export of that name --none-------------------> it is exported, durably --> the file is made
 *                          --the disk was there, or was to be, and left---------> used again
 *                          --of this pool, never used: no file, or one that
 *                            nobody has ever written to------------------------> (made and) used
 *                          --anything else--------------------------------------> refused
 * </pre>
 *
 * The export comes first: a crash between the two leaves an export that nobody has ever used, and
 * no file of which it is not known whose it is. A file that is there without an export is
 * somebody's. So a volume that a host was left with serves again when its disk comes back, and what
 * anybody else has is never written to.
 *
 * <p>Stateless; from any thread that may wait for storage. Of two who ask for one name at once the
 * second one is refused. {@link MovedVolumes} deletes those that nobody needs any more.
 */
public final class VolumePools implements PeerExports {
  /** Of a host without pools and exports. */
  public static final VolumePools NONE =
      new VolumePools(ImmutableMap.of(), (source, options) -> failed(), () -> null, directory -> 0);

  private static final Logger log = LoggerFactory.getLogger(VolumePools.class);

  /** A file system answers at once, or hangs. */
  private static final Duration LOOK_BOUND = Duration.ofSeconds(20);

  /** The largest block in which file systems give storage to files. */
  private static final long LAST_BLOCK_BYTES = 64 << 10;

  /** The device server, as far as volumes need it. */
  interface Exports {
    Optional<Export> find(String name);

    ExportUse use(String name, String client) throws ExportException;

    /** Whether the volume is the caller's alone until {@link #releaseVolume}. */
    boolean claimVolume(String name);

    void releaseVolume(String name);

    /** Durable when it returns. What is exported need not be there yet. */
    void addVolume(Export export) throws ExportException;

    /** Which file was made for it; durable when it returns. */
    void madeVolume(Export export, FileStat.Birth birth) throws ExportException;

    /** One that nobody uses. */
    void removeVolume(String name) throws ExportException;

    /** The source by which all hosts reach an export of this one. */
    String source(String name);

    /** Whether a server of that address is this host's. May ask the name service. */
    boolean isHere(HostAndPort server);
  }

  /** Where the device server is; it begins when it is asked for first. */
  @FunctionalInterface
  interface Server {
    Exports get() throws IOException;
  }

  /** What a file system has left. */
  @FunctionalInterface
  interface FreeSpace {
    FreeSpace SYSTEM = directory -> Files.getFileStore(directory).getUsableSpace();

    long bytes(Path directory) throws IOException;
  }

  /**
   * A volume that is asked for.
   *
   * @param pool where it is made, when there is none yet; empty for the only one
   * @param name of the export, and of the file
   * @param client the disk, as device servers know it: "UUID/xvdb"
   * @param allow the hosts that may use it
   */
  public record Wanted(
      String pool, String name, String client, long sizeBytes, ImmutableSet<String> allow) {}

  /**
   * A volume of this host.
   *
   * @param source by which all hosts reach it
   * @param isZero whether all of it is known to read as zeros
   */
  public record Volume(String source, boolean isZero) {}

  private final ImmutableMap<String, VolumePool> pools;
  private final Devices devices;
  private final Server server;
  private final FreeSpace space;

  /**
   * @param pools by name
   * @param devices opens files of this host
   */
  VolumePools(
      ImmutableMap<String, VolumePool> pools, Devices devices, Server server, FreeSpace space) {
    this.pools = pools;
    this.devices = devices;
    this.server = server;
    this.space = space;
  }

  private static Device failed() throws DeviceException {
    throw new DeviceException("this host has no devices");
  }

  @Override
  public Optional<PeerMessages.Exported> export(String name) throws MigrationRefusedException {
    try {
      return exports()
          .find(name)
          .map(export -> new PeerMessages.Exported(export.readOnly(), export.allow().asList()));
    } catch (VolumeException e) {
      throw new MigrationRefusedException(e.getMessage(), e);
    }
  }

  @Override
  public PeerMessages.Volume volume(String caller, PeerMessages.WantedVolume wanted)
      throws MigrationRefusedException {
    try {
      Volume volume =
          provide(
              new Wanted(
                  wanted.pool(),
                  wanted.name(),
                  OpenOptions.User.diskName(wanted.domain(), wanted.target()),
                  wanted.sizeBytes(),
                  ImmutableSet.<String>builder().addAll(wanted.allow()).add(caller).build()));
      return new PeerMessages.Volume(volume.source(), volume.isZero());
    } catch (VolumeException e) {
      throw new MigrationRefusedException(e.getMessage(), e);
    }
  }

  /**
   * Whether a device server of that address is this host's. May ask the name service; what that
   * does not know is another host's.
   */
  boolean isHere(HostAndPort address) {
    try {
      return exports().isHere(address);
    } catch (VolumeException e) {
      return false;
    }
  }

  private Exports exports() throws VolumeException {
    try {
      Exports exports = server.get();
      if (exports != null) {
        return exports;
      }
    } catch (IOException e) {
      throw new VolumeException("the device server of this host: " + e.getMessage(), e);
    }
    throw new VolumeException(true, "this host exports nothing");
  }

  /**
   * Makes a volume, or finds the one that was made before; all of it is durable when it returns.
   *
   * @throws VolumeException when there is no such pool, no room in it, or the name is somebody
   *     else's
   */
  Volume provide(Wanted asked) throws VolumeException {
    Wanted wanted = asked.pool().isEmpty() && pools.size() == 1 ? inOnlyPool(asked) : asked;
    if (!Names.isExport(wanted.name()) || wanted.sizeBytes() <= 0) {
      throw new VolumeException(
          true,
          "expected the name of an export and a size, found \"%s\" and %d bytes"
              .formatted(wanted.name(), wanted.sizeBytes()));
    }
    Exports exports = exports();
    if (!exports.claimVolume(wanted.name())) {
      throw new VolumeException(
          false,
          "%s is being made for somebody else, or deleted, just now".formatted(wanted.name()));
    }
    try {
      return provide(exports, wanted);
    } finally {
      exports.releaseVolume(wanted.name());
    }
  }

  private Volume provide(Exports exports, Wanted wanted) throws VolumeException {
    Optional<Export> present = exports.find(wanted.name());
    if (present.isEmpty()) {
      return make(exports, wanted);
    }
    Export export = present.get();
    if (export.readOnly()) {
      throw taken(wanted, "it is read-only");
    }
    try {
      boolean isZero =
          switch (exports.use(wanted.name(), wanted.client())) {
            case LEFT -> {
              makeAgain(exports, export, wanted); // its file may have been removed by hand
              yield false;
            }
            case UNUSED -> {
              findUnwritten(exports, export, wanted);
              yield true;
            }
            case ITS_DISK -> throw taken(wanted, "it is that disk, and not out of date");
            case ANOTHERS -> throw taken(wanted, "somebody else uses it, or has used it last");
          };
      return new Volume(exports.source(wanted.name()), isZero);
    } catch (ExportException | DeviceException e) {
      throw new VolumeException(e.getMessage(), e);
    }
  }

  private static VolumeException taken(Wanted wanted, String why) {
    return new VolumeException(
        false,
        "export %s of this host is not for the disk %s: %s; see `netchannel exports`, and `netchannel unexport` if it is not needed"
            .formatted(wanted.name(), wanted.client(), why));
  }

  private Volume make(Exports exports, Wanted wanted) throws VolumeException {
    Path file = file(wanted);
    if (Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
      throw new VolumeException(
          false,
          "%s is there already and no export of this host: it may be somebody's; move it away if it is not needed"
              .formatted(file));
    }
    checkRoom(file, wanted);
    try {
      Export export =
          new Export(wanted.name(), source(file), false, ImmutableSet.copyOf(wanted.allow()));
      exports.addVolume(export);
      try {
        makeFile(exports, export, file, wanted.sizeBytes());
      } catch (DeviceException e) {
        exports.removeVolume(wanted.name());
        throw e;
      }
      return new Volume(exports.source(wanted.name()), true);
    } catch (ExportException | DeviceException | IllegalArgumentException e) {
      throw new VolumeException(e.getMessage(), e);
    }
  }

  /** Of a volume of this host's pools; what else is exported was made by others. */
  private void makeAgain(Exports exports, Export export, Wanted wanted)
      throws VolumeException, DeviceException, ExportException {
    Path file = pools.containsKey(wanted.pool()) ? file(wanted) : null;
    if (file != null
        && export.source().equals(source(file))
        && !Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
      checkRoom(file, wanted);
      makeFile(exports, export, file, wanted.sizeBytes());
    }
  }

  private void findUnwritten(Exports exports, Export export, Wanted wanted)
      throws VolumeException, DeviceException, ExportException {
    Path file = file(wanted);
    if (!export.source().equals(source(file))) {
      throw taken(wanted, "it is " + export.source() + ", and was made for something else");
    }
    if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
      checkRoom(file, wanted);
      makeFile(exports, export, file, wanted.sizeBytes());
    } else if (!isUnwritten(source(file), wanted.sizeBytes())) {
      throw taken(
          wanted,
          "%s has data on it, or is not of the disk's %d bytes"
              .formatted(file, wanted.sizeBytes()));
    }
  }

  /** One of which a crash keeps the export from knowing is never deleted. */
  private void makeFile(Exports exports, Export export, Path file, long sizeBytes)
      throws DeviceException, ExportException {
    devices.create(source(file), sizeBytes);
    Optional<FileStat.Birth> birth;
    try {
      birth = FileStat.of(file).flatMap(FileStat::birth);
    } catch (IOException e) {
      throw new DeviceException(e.getMessage(), e);
    }
    if (birth.isPresent()) {
      exports.madeVolume(export, birth.get());
    } else {
      log.info("{}: its file system keeps no birth times: it is never deleted", file);
    }
  }

  /** The last block is written when a file is made. */
  private boolean isUnwritten(String source, long sizeBytes) throws DeviceException {
    try (Device device = devices.open(source, true)) {
      if (device.geometry().sizeBytes() != sizeBytes) {
        return false;
      }
      Extents extents =
          device.extents(0, sizeBytes).orTimeout(LOOK_BOUND.toSeconds(), TimeUnit.SECONDS).join();
      long last = Math.max(0, sizeBytes - LAST_BLOCK_BYTES);
      return last == 0
          || extents.zeros().stream()
              .anyMatch(run -> run.offsetBytes() == 0 && run.endBytes() >= last);
    } catch (CompletionException e) {
      throw new DeviceException(source + ": " + e.getCause(), e);
    }
  }

  /**
   * For all of it, although it takes none at first: a pool that fills up stops every guest with a
   * volume in it.
   */
  private void checkRoom(Path file, Wanted wanted) throws VolumeException {
    long free;
    try {
      free = space.bytes(file.getParent());
    } catch (IOException e) {
      throw new VolumeException(
          "pool %s: %s cannot be examined: %s".formatted(wanted.pool(), file.getParent(), e), e);
    }
    if (free < wanted.sizeBytes()) {
      throw new VolumeException(
          false,
          "no space in pool %s: expected %d bytes free in %s, found %d"
              .formatted(wanted.pool(), wanted.sizeBytes(), file.getParent(), free));
    }
  }

  private Wanted inOnlyPool(Wanted asked) {
    return new Wanted(
        pools.keySet().iterator().next(),
        asked.name(),
        asked.client(),
        asked.sizeBytes(),
        asked.allow());
  }

  private Path file(Wanted wanted) throws VolumeException {
    VolumePool pool = pools.get(wanted.pool());
    if (pool == null) {
      throw new VolumeException(true, noPool(wanted.pool()));
    }
    return pool.directory().resolve(wanted.name());
  }

  private String noPool(String wanted) {
    String names = String.join(", ", pools.keySet());
    if (wanted.isEmpty()) {
      return pools.isEmpty()
          ? "this host has no pool: add [[pool]] to its netchannel.toml"
          : "this host has the pools %s: one of them has to be named".formatted(names);
    }
    return "this host has no pool %s: it has %s; add [[pool]] name = \"%s\" to its netchannel.toml"
        .formatted(wanted, pools.isEmpty() ? "none" : names, wanted);
  }

  /** Of a file that a pool makes. */
  static String source(Path file) {
    return "file:" + file;
  }
}
