package io.netchannel.daemon;

import com.google.common.collect.ImmutableList;
import io.netchannel.coordinator.LocalDevices.Drained;
import io.netchannel.coordinator.LocalDevices.StockDisk;
import io.netchannel.vdevice.XenbusState;
import io.netchannel.vdevice.block.VbdNodes;
import io.netchannel.xen.Domains;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenStore;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.LongSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The disks of domains that other backends serve: the kernel's blkback ("vbd"), QEMU ("qdisk",
 * "vbd3"). Nothing of theirs is ours to change; what they have not answered can be waited for.
 *
 * <p>What a frontend's nodes say is the guest's word. One that lies about its disks loses the
 * protection of its own data and of nothing else.
 */
final class StockDisks implements AutoCloseable {
  /** io/xenbus.h: backend/type/frontend's domid/devid. */
  private static final Pattern BACKEND =
      Pattern.compile("/local/domain/(\\d{1,5})/backend/([a-z0-9_-]{1,32})/(\\d{1,5})/\\d{1,10}");

  private static final String BLKBACK = "vbd";

  /** linux/major.h, and where a device number of Linux has its major. */
  private static final int LOOP_MAJOR = 7;

  private static final int MAJOR_SHIFT = 8;
  private static final int MAJOR_MASK = 0xfff;

  /**
   * What all drains use.
   *
   * @param timer makes the next look at the rings
   * @param flush of a device or file, with fsync
   */
  record Environment(
      XenStore store,
      GrantTable grants,
      Domains domains,
      Timer timer,
      Flush flush,
      LongSupplier nanoTime) {}

  /** Brings all that was written to a device or file to where other hosts read it. */
  @FunctionalInterface
  interface Flush {
    /** The kernel's: of a block device too, and of what a loop device is made of. */
    Flush FSYNC =
        path -> {
          try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            channel.force(true);
          }
        };

    void flush(Path path) throws IOException;
  }

  /**
   * A disk with its frontend.
   *
   * @param readable whether its rings are granted to this domain: a driver domain's are not
   * @param storage what its backend writes to through this host's page cache; empty when it does
   *     not
   */
  record Found(
      StockDisk disk,
      String frontend,
      boolean connected,
      boolean readable,
      Optional<Path> storage) {}

  private final Environment environment;
  private final Executor executor;
  private final Set<Drain> drains = ConcurrentHashMap.newKeySet();

  /**
   * @param executor maps rings: it may be blocked
   */
  StockDisks(Environment environment, Executor executor) {
    this.environment = environment;
    this.executor = executor;
  }

  /** Disks of a domain, in order of target. */
  List<StockDisk> of(Guest guest) {
    return find(guest).stream().map(Found::disk).toList();
  }

  /** Whether one of them has been connected to by its guest. */
  boolean hasConnected(Guest guest) {
    return find(guest).stream().anyMatch(Found::connected);
  }

  /** See {@link io.netchannel.coordinator.LocalDevices#drain}. */
  CompletableFuture<List<Drained>> drain(Guest guest, Duration bound) {
    List<Found> disks = find(guest);
    if (disks.isEmpty()) {
      return CompletableFuture.completedFuture(List.of());
    }
    Drain drain = new Drain(environment, guest, disks, bound);
    drains.add(drain);
    CompletableFuture<List<Drained>> drained = drain.result();
    var unused = drained.whenComplete((done, failure) -> drains.remove(drain));
    try {
      executor.execute(drain::start);
    } catch (RejectedExecutionException e) {
      drain.close();
    }
    return drained;
  }

  private ImmutableList<Found> find(Guest guest) {
    String devices = Guest.path(guest.domid()) + "/device/vbd";
    return environment.store().directory(devices).stream()
        .map(devid -> find(guest, devid, devices + "/" + devid))
        .flatMap(Optional::stream)
        .sorted(Comparator.comparing(found -> found.disk().target()))
        .collect(ImmutableList.toImmutableList());
  }

  private Optional<Found> find(Guest guest, String devid, String frontend) {
    XenStore store = environment.store();
    String backend = store.read(frontend + "/backend").orElse("");
    Matcher parts = BACKEND.matcher(backend);
    if (!parts.matches()
        || parts.group(2).equals(VbdNodes.TYPE.backend())
        || Integer.parseInt(parts.group(3)) != guest.domid()) {
      return Optional.empty();
    }
    int owner = Integer.parseInt(parts.group(1));
    boolean readable = owner == DeviceDetails.BACKEND_DOMID;
    String type = parts.group(2);
    return Optional.of(
        new Found(
            new StockDisk(
                store.read(backend + "/dev").filter(StockDisks::isName).orElse("vbd-" + devid),
                readable ? type : "%s of domain %d, not looked at".formatted(type, owner)),
            frontend,
            store
                .read(frontend + "/state")
                .map(XenbusState::parse)
                .equals(Optional.of(XenbusState.CONNECTED)),
            readable,
            store
                .read(backend + "/params")
                .flatMap(StockDisks::storage)
                .filter(path -> !type.equals(BLKBACK) || isCached(path))));
  }

  /**
   * libxl's "/dev/vg0/data", or "aio:/srv/data.raw" for QEMU; a backend's nodes are not a guest's.
   */
  private static Optional<Path> storage(String params) {
    int path = params.indexOf('/');
    boolean plain = path == 0 || (path > 0 && params.charAt(path - 1) == ':');
    return plain ? Optional.of(Path.of(params.substring(path))) : Optional.empty();
  }

  /**
   * blkback hands its requests to a block device, past the page cache: answered is written. A file
   * has a loop device in between, which writes into the cache. QEMU may do so, whatever it opened.
   */
  private static boolean isCached(Path path) {
    try {
      return Files.isRegularFile(path)
          || (((Number) Files.getAttribute(path, "unix:rdev")).longValue() >> MAJOR_SHIFT
                  & MAJOR_MASK)
              == LOOP_MAJOR;
    } catch (IOException e) {
      return true; // flushing it says what is wrong
    }
  }

  /** It goes into logs and reports: a path that a guest has chosen may end anywhere. */
  private static boolean isName(String dev) {
    return dev.matches("[a-z0-9]{1,16}");
  }

  /** Ends all drains: what they have mapped is let go. */
  @Override
  public void close() {
    drains.forEach(Drain::close);
  }
}
