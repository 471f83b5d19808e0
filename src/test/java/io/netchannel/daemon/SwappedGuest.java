package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceKind;
import io.netchannel.device.DeviceOpener;
import io.netchannel.device.ForwardingDevice;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.Outcome;
import io.netchannel.device.Storage;
import io.netchannel.device.file.FileDevice;
import io.netchannel.libvirt.DomainMetadata.Definition;
import io.netchannel.libvirt.MetadataException;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/**
 * A guest under whose disk another device is put, through all of a daemon. After each switch the
 * old disk is overwritten, and the guest reads all that it wrote.
 */
abstract class SwappedGuest {
  static final Duration BOUND = Duration.ofSeconds(60);
  static final int XVDB = GuestBlocks.XVDB;
  static final UUID DOMAIN = new UUID(1, 1);
  static final int BLOCK = GuestBlocks.BLOCK;
  static final int BLOCKS = 2048;
  static final long SIZE = (long) BLOCKS * BLOCK;
  static final long SLOW = 1 << 20;

  @TempDir Path directory;
  final Random random = new Random(20261129);
  private final GuestBlocks blocks = new GuestBlocks();

  /** All of the disk, as the guest has to find it. */
  final byte[] content = new byte[(int) SIZE];

  final Libvirt libvirt = new Libvirt();

  /** Opens of "away:" that fail yet. */
  final AtomicInteger awayFor = new AtomicInteger();

  /** Opens of "away:" for a copy that find, yet, that its host has lost its memory. */
  final AtomicInteger forgetfulFor = new AtomicInteger();

  /** Which memory the host of an "away:" has, by its path; of others nobody knows. */
  final Map<String, UUID> memories = new ConcurrentHashMap<>();

  private final List<WithAuthority> opened = new CopyOnWriteArrayList<>();

  /** What the authority of "away:" was told. */
  final List<String> authority = new CopyOnWriteArrayList<>();

  final AtomicInteger notesFail = new AtomicInteger();

  EmulatedHost host;
  EmbeddedDomain domain;

  /** A libvirt that may be away. */
  static final class Libvirt implements DiskDefinitions {
    volatile boolean away;
    volatile String source = "";

    @Override
    public boolean changeSource(
        UUID domain, Definition definition, String target, String oldSource, String newSource)
        throws MetadataException {
      if (away) {
        throw new MetadataException("libvirt is away, for the test");
      }
      source = newSource;
      return definition == Definition.LIVE;
    }
  }

  /** A file whose server is away at times. */
  private final class Away implements DeviceKind {
    @Override
    public Device open(String text, OpenOptions options) throws DeviceException {
      if (awayFor.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
        throw new DeviceException(text + " is away, for the test");
      }
      options
          .user()
          .ifPresent(
              user -> authority.add((options.anew() ? "anew " : "open ") + user.generation()));
      boolean lost = options.anew() && forgetfulFor.getAndUpdate(left -> Math.max(0, left - 1)) > 0;
      WithAuthority device =
          new WithAuthority(
              FileDevice.open(text, options.readOnly(), 4, true, System::nanoTime), lost);
      opened.add(device);
      return device;
    }

    @Override
    public Optional<Storage> storage(String text) {
      return Optional.ofNullable(memories.get(text)).map(Storage::told);
    }
  }

  /** Where the guest's disk is, as this device's authority is told. */
  final class WithAuthority extends ForwardingDevice {
    private volatile boolean lost;

    WithAuthority(Device device, boolean lost) {
      super(device);
      this.lost = lost;
    }

    @Override
    public boolean hasLostWrites() {
      return lost;
    }

    /** As of all devices that have lost writes: until it is opened anew. */
    @Override
    public void flush(Completion completion) {
      if (lost) {
        completion.complete(Outcome.IO_ERROR);
      } else {
        super.flush(completion);
      }
    }

    @Override
    public void keepPlace() {
      authority.add("place kept");
      super.keepPlace();
    }

    @Override
    public CompletableFuture<Void> moved(String to) {
      authority.add("moved to " + to);
      return CompletableFuture.completedFuture(null);
    }

    @Override
    public CompletableFuture<Void> arrived() {
      if (notesFail.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
        return CompletableFuture.failedFuture(new DeviceException("no room for it, for the test"));
      }
      authority.add("arrived");
      return CompletableFuture.completedFuture(null);
    }
  }

  @BeforeEach
  void start() throws Exception {
    host =
        new EmulatedHost(
            "hosta",
            directory,
            faults(),
            new DeviceOpener(true, ImmutableMap.of("away", new Away())));
    host.definitions(libvirt);
    host.startDaemon();
    random.nextBytes(content);
    Files.write(file("old"), content);
    startGuest("file:" + file("old"));
    for (int block = 0; block < BLOCKS; block += 97) {
      write(block);
    }
  }

  /** [faults] of the daemon's configuration. */
  ImmutableMap<String, String> faults() {
    return ImmutableMap.of();
  }

  @AfterEach
  void close() {
    host.close();
  }

  Path file(String name) {
    return directory.resolve(name + ".raw");
  }

  String made(String name, long sizeBytes) throws IOException {
    Files.write(file(name), new byte[(int) sizeBytes]);
    return "file:" + file(name);
  }

  void startGuest(String source) {
    String disk = "<n:disk target='xvdb' source='" + source + "'/>";
    host.hookOk("web1", "prepare", "begin", EmulatedHost.xml("web1", DOMAIN, null, disk));
    host.hookOk("web1", "start", "begin", EmulatedHost.xml("web1", DOMAIN, null, disk));
    domain = host.createDomain("web1", DOMAIN);
    host.hookOk("web1", "started", "begin", EmulatedHost.xml("web1", DOMAIN, domain, disk));
    domain.unpause();
    blocks.connect(domain);
  }

  void await(String what, BooleanSupplier condition) {
    blocks.await(what, condition);
  }

  void write(int block) {
    byte value = blocks.write(block);
    Arrays.fill(content, block * BLOCK, (block + 1) * BLOCK, value);
  }

  /** Writes while it waits. */
  void writesUntil(String what, BooleanSupplier condition) {
    await(
        what,
        () -> {
          write(random.nextInt(BLOCKS));
          return condition.getAsBoolean();
        });
  }

  void verify() {
    blocks.verify();
  }

  /** Nobody reads it any more. */
  void overwriteOld() throws IOException {
    overwrite("old");
  }

  /** Their hosts are restarted: what was not flushed is lost. */
  void devicesLoseMemory() {
    opened.forEach(device -> device.lost = true);
  }

  /** How often a job has opened the one it copies to. */
  long opensAnew() {
    return authority.stream().filter(each -> each.startsWith("anew ")).count();
  }

  void overwrite(String name) throws IOException {
    byte[] noise = new byte[(int) SIZE];
    random.nextBytes(noise);
    Files.write(file(name), noise);
  }

  Map<String, Object> ask(Map<String, Object> request) throws ControlException {
    return Json.object(host.daemon().control().handle(request));
  }

  Map<String, Object> swap(String source, Object... more) throws ControlException {
    return ask("swap", "source", source, more);
  }

  Map<String, Object> job(String action, Object... more) throws ControlException {
    return ask("job", "action", action, more);
  }

  /** Of its disk: what is named, and more names with their values. */
  private Map<String, Object> ask(String command, String name, String value, Object... more)
      throws ControlException {
    Map<String, Object> request = new TreeMap<>();
    request.put("command", command);
    request.put("domain", "web1");
    request.put("target", "xvdb");
    request.put(name, value);
    for (int i = 0; i < more.length; i += 2) {
      request.put(String.valueOf(more[i]), more[i + 1]);
    }
    return ask(request);
  }

  boolean isIn(String state) {
    try {
      return job("show").get("state").equals(state);
    } catch (ControlException e) {
      throw new AssertionError(e);
    }
  }

  Map<String, Object> device() throws ControlException {
    Object devices = host.daemon().control().handle(Map.of("command", "devices"));
    return Json.object(((List<?>) devices).get(0));
  }

  String node(String name) {
    return host.store()
        .read("/local/domain/0/backend/netchannel/%d/%d/%s".formatted(domain.domid(), XVDB, name))
        .orElse("");
  }

  void isSwitchedTo(String source) throws Exception {
    writesUntil("the end of the job", () -> isIn("done"));
    overwriteOld();
    assertThat(device()).containsEntry("source", source).containsEntry("state", "serving");
    assertThat(node("params")).isEqualTo(source);
    assertThat(node("follower")).isEmpty();
    assertThat(libvirt.source).isEqualTo(source);
    assertThat(job("show").get("metadata")).isEqualTo(Map.of("live", "written", "config", "none"));
    writesUntil("some more", () -> random.nextInt(20) == 0);
    verify();
  }

  long copied() {
    return bytes("copiedBytes");
  }

  long verified() {
    return bytes("verifiedBytes");
  }

  private long bytes(String name) {
    try {
      Object bytes = job("show").get(name);
      return bytes == null ? 0 : (Long) bytes;
    } catch (ControlException e) {
      throw new AssertionError(e);
    }
  }

  void end() {
    host.store().remove(Guest.path(domain.domid()));
    domain.destroy();
    await("its end", () -> host.daemon().midPoints().ofDomain(DOMAIN).isEmpty());
  }

  /** The guest has ended. */
  void isRefusedWithTheOldXml(String source) {
    String disk = "<n:disk target='xvdb' source='file:" + file("old") + "'/>";
    host.hookOk("web1", "prepare", "begin", EmulatedHost.xml("web1", DOMAIN, null, disk));
    host.hookOk("web1", "start", "begin", EmulatedHost.xml("web1", DOMAIN, null, disk));
    domain = host.createDomain("web1", DOMAIN);
    assertThat(
            host.hook("web1", "started", "begin", EmulatedHost.xml("web1", DOMAIN, domain, disk))
                .message())
        .contains("was switched to " + source)
        .contains("netchannel job web1 xvdb");
    end();
  }
}
