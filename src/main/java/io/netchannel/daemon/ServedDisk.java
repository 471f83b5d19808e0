package io.netchannel.daemon;

import com.google.protobuf.ByteString;
import io.netchannel.device.Device;
import io.netchannel.midpoint.AgentRunner;
import io.netchannel.midpoint.InflightTable;
import io.netchannel.midpoint.Manifest;
import io.netchannel.midpoint.MidPoint;
import io.netchannel.midpoint.MidPointId;
import io.netchannel.midpoint.MidPointLimits;
import io.netchannel.midpoint.MidPointMemory;
import io.netchannel.midpoint.MidPointTrace;
import io.netchannel.vdevice.block.Vbd;
import io.netchannel.vdevice.block.VbdAddress;
import io.netchannel.vdevice.block.VbdLimits;
import io.netchannel.vdevice.block.VbdNodes;
import io.netchannel.xen.EventChannels;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One virtual disk with its mid-point, the mid-point's thread, its in-flight table and its trace.
 */
final class ServedDisk {
  private static final Logger log = LoggerFactory.getLogger(ServedDisk.class);

  /**
   * A mid-point answers a command within a poll of its thread; its device may be slow to finish.
   */
  private static final Duration COMMAND_BOUND = Duration.ofSeconds(20);

  /**
   * What every disk of a host uses.
   *
   * @param memory for the data of their requests
   * @param traceDirectory where mid-points trace their requests; empty for nowhere
   * @param notes hears of guests that arrive
   */
  record Environment(
      XenStore store,
      GrantTable grants,
      EventChannels events,
      MidPointMemory memory,
      Path inflightDirectory,
      Optional<Path> traceDirectory,
      Clock clock,
      LongSupplier nanoTime,
      DiskNotes notes) {}

  private final Environment environment;
  private final VbdAddress address;
  private final AgentRunner runner = new AgentRunner();
  private final MidPoint midPoint;
  private volatile DiskDetails details;
  private volatile long sizeBytes;
  private volatile Optional<String> problem = Optional.empty();
  private volatile Optional<Device> device = Optional.empty();
  private volatile boolean ended;

  /** The manifest that was decoded last, and of which bytes. */
  private ByteString encodedManifest = ByteString.EMPTY;

  private Manifest decodedManifest;

  private ServedDisk(Environment environment, DiskDetails details, Path inflightFile)
      throws IOException {
    this.environment = environment;
    this.details = details;
    Guest guest = details.guest();
    address = details.address();
    MidPointLimits limits = MidPointLimits.defaults();
    InflightTable table = InflightTable.open(inflightFile, limits);
    Vbd vbd =
        new Vbd(
            address,
            guest.name(),
            environment.store(),
            environment.grants(),
            environment.events(),
            VbdLimits.DEFAULT,
            runner::wake);
    midPoint =
        new MidPoint(
            new MidPointId(guest.name(), guest.uuid(), guest.domid(), details.target()),
            vbd,
            table,
            limits,
            environment.memory(),
            trace(environment, details),
            environment.nanoTime(),
            runner::wake,
            what -> environment.notes().note(guest.uuid(), details.target() + " " + what));
    runner.start(midPoint);
  }

  /** Serves nodes that have just been published; what an earlier disk has left is dropped. */
  static ServedDisk fresh(Environment environment, DiskDetails details) throws IOException {
    Path file = inflightFile(environment, details.address());
    Files.deleteIfExists(file);
    return new ServedDisk(environment, details, file);
  }

  /** Serves nodes that a process before us had published, with its table of requests in flight. */
  static ServedDisk again(Environment environment, DiskDetails details) throws IOException {
    return new ServedDisk(environment, details, inflightFile(environment, details.address()));
  }

  /** Removes what a disk that nobody serves has left. */
  static void removeLeftovers(Environment environment, VbdAddress address) throws IOException {
    VbdNodes.remove(environment.store(), address);
    Files.deleteIfExists(inflightFile(environment, address));
  }

  Guest guest() {
    return details.guest();
  }

  String target() {
    return details.target();
  }

  DiskDetails details() {
    return details;
  }

  VbdAddress address() {
    return address;
  }

  MidPoint midPoint() {
    return midPoint;
  }

  /** Bytes of its device; 0 while it has none. */
  long sizeBytes() {
    return sizeBytes;
  }

  /** Why its guest waits: it has no device, or that cannot be reached; empty when all is well. */
  Optional<String> problem() {
    boolean serves = midPoint.status().state() == MidPoint.State.SERVING;
    return serves ? device.flatMap(Device::problem) : noDevice();
  }

  /** Why it has no device although its guest runs and waits; empty when it has. */
  Optional<String> noDevice() {
    return isExpecting() ? problem : Optional.empty();
  }

  void problem(String reason) {
    problem = Optional.of(reason);
  }

  /** Whether it is in use here and has no device yet. */
  boolean isExpecting() {
    return !ended && midPoint.status().state() == MidPoint.State.EXPECTING;
  }

  /**
   * Waits for a command to its mid-point.
   *
   * @throws IllegalStateException when the command fails or takes too long
   */
  void await(String what, CompletableFuture<Void> future) {
    try {
      future.get(COMMAND_BOUND.toMillis(), TimeUnit.MILLISECONDS);
    } catch (ExecutionException e) {
      throw new IllegalStateException(
          "%s: %s: %s".formatted(this, what, e.getCause().getMessage()), e);
    } catch (TimeoutException e) {
      throw new IllegalStateException(
          "%s: %s not done within %s".formatted(this, what, COMMAND_BOUND), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(this + ": " + what + ": interrupted", e);
    }
  }

  /**
   * Notes the device it is about to use, in the nodes too: before the device is used, so that a
   * process after us knows.
   *
   * @throws IllegalStateException when the nodes have gone
   */
  void uses(Device used, String source, long generation) {
    sizeBytes = used.geometry().sizeBytes();
    device = Optional.of(used);
    note(
        new DiskDetails(
            details.guest(),
            details.target(),
            details.readOnly(),
            Optional.of(source),
            generation));
  }

  /** Notes a generation before it is used. */
  void usesGeneration(long generation) {
    note(
        new DiskDetails(
            details.guest(), details.target(), details.readOnly(), details.source(), generation));
  }

  /**
   * Decodes a manifest; the very same bytes once only: they are staged first, and taken over in the
   * hook that holds up the guest, where they are not even compared.
   *
   * @param encoded its checksum was verified by who brought it
   * @throws IllegalArgumentException when it is not a manifest
   */
  synchronized Manifest decode(ByteString encoded) {
    if (decodedManifest == null || !isSame(encoded, encodedManifest)) {
      decodedManifest = Manifest.decodeVerified(encoded.asReadOnlyByteBuffer());
      encodedManifest = encoded;
    }
    return decodedManifest;
  }

  @SuppressWarnings("ReferenceEquality") // to compare 32 MiB takes as long as to decode them
  private static boolean isSame(ByteString a, ByteString b) {
    return a == b;
  }

  /** It has been taken over: nobody will ask for it again. */
  synchronized void forgetManifest() {
    encodedManifest = ByteString.EMPTY;
    decodedManifest = null;
  }

  /**
   * Ends the mid-point's thread. Never fails: what cannot be removed is left for the next daemon.
   *
   * @param removeNodes false when a process after us shall serve the disk again
   */
  void end(boolean removeNodes) {
    ended = true;
    if (removeNodes) {
      midPoint.abandon();
    } else {
      device.ifPresent(Device::keepPlace);
    }
    runner.close();
    if (removeNodes) {
      try {
        removeLeftovers(environment, address);
      } catch (IOException | RuntimeException e) {
        log.warn("{}: not all of it is removed: {}", this, e.toString());
      }
    }
  }

  private void note(DiskDetails changed) {
    details = changed;
    changed
        .nodes()
        .forEach(
            (name, value) -> {
              if (!VbdNodes.setDetail(environment.store(), address, name, value)) {
                throw new IllegalStateException(this + " has been removed from xenstore");
              }
            });
  }

  private static Path inflightFile(Environment environment, VbdAddress address) {
    return environment.inflightDirectory().resolve(address.domid() + "-" + address.devid());
  }

  private static MidPointTrace trace(Environment environment, DiskDetails details)
      throws IOException {
    if (environment.traceDirectory().isEmpty()) {
      return MidPointTrace.off();
    }
    String name = details.guest().name() + "-" + details.target() + ".jsonl";
    return MidPointTrace.open(
        environment.traceDirectory().get().resolve(name), environment.clock());
  }

  @Override
  public String toString() {
    return details.toString();
  }
}
