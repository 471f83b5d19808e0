package io.netchannel.rehearsal;

import com.google.protobuf.ByteString;
import io.netchannel.coordinator.Direction;
import io.netchannel.coordinator.MigrationRefusedException;
import io.netchannel.coordinator.Peer;
import io.netchannel.coordinator.PeerExports;
import io.netchannel.coordinator.PeerMessages;
import io.netchannel.coordinator.PeerMessages.SealedDevice;
import io.netchannel.coordinator.PeerService;
import io.netchannel.coordinator.peer.PeerAddress;
import io.netchannel.coordinator.peer.PeerServer;
import io.netchannel.coordinator.peer.Peers;
import io.netchannel.midpoint.block.BlockManifest;
import io.netchannel.rehearsal.host.HostPair;
import io.netchannel.tls.HostTls;
import io.netchannel.tls.TlsException;
import io.netchannel.vdevice.block.BlockOperation;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * Hands the pending requests of a disk over again and again, between two ends of a connection as
 * hosts have it: a whole migration takes too long to be repeated until the compiler takes notice of
 * the few milliseconds in it that a guest waits for.
 */
final class HandOverDrill implements PeerService {
  /** The first compiler takes a method after 200 calls. */
  static final int TIMES = 250;

  /** As in a guest's usual ring: half reads with their data, half writes with their digests. */
  private static final int REQUESTS = 16;

  private static final int REQUEST_BYTES = 4096;

  /** 16 for a sector of 512. */
  private static final int DIGESTS_BYTES = REQUEST_BYTES / 32;

  private static final Duration BOUND = Duration.ofSeconds(60);
  private static final UUID MIGRATION = new UUID(0, 0);

  private final CompletableFuture<Consumer<SealedDevice>> caller = new CompletableFuture<>();

  /**
   * Performs it for as long as the pace lets it.
   *
   * @return how many disks went over
   */
  static int perform(HostPair.Member source, HostPair.Member destination, Rehearsal.Pace pace)
      throws IOException {
    HandOverDrill drill = new HandOverDrill();
    InetAddress loopback = InetAddress.getLoopbackAddress();
    try (PeerServer server =
            new PeerServer(
                source.name(),
                new InetSocketAddress(loopback, 0),
                new HostTls(source.tls()),
                List.of(new PeerAddress(destination.known(), loopback.getHostAddress(), 1)),
                drill,
                PeerExports.NONE);
        Peers peers =
            new Peers(
                destination.name(),
                new HostTls(destination.tls()),
                List.of(
                    new PeerAddress(source.known(), loopback.getHostAddress(), server.port())))) {
      return drill.repeat(peers.all().get(0), pace);
    } catch (TlsException e) {
      throw new IOException(e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
  }

  private int repeat(Peer source, Rehearsal.Pace pace) throws IOException, InterruptedException {
    BlockingQueue<BlockManifest> arrived = new LinkedBlockingQueue<>();
    CompletableFuture<List<SealedDevice>> call =
        source.sealWhenSuspended(
            MIGRATION,
            BOUND,
            disk -> arrived.add(BlockManifest.decode(disk.manifest().toByteArray())));
    Consumer<SealedDevice> there = caller.orTimeout(BOUND.toSeconds(), TimeUnit.SECONDS).join();
    BlockManifest manifest = manifest();
    int times = 0;
    while (times < TIMES && pace.next()) {
      ByteString encoded = ByteString.copyFrom(manifest.encode());
      there.accept(SealedDevice.of("disk" + times, manifest.pending(), 0, encoded));
      BlockManifest found = arrived.poll(BOUND.toSeconds(), TimeUnit.SECONDS);
      if (!manifest.equals(found)) {
        throw new IOException("a manifest came as " + found + ": " + call);
      }
      times++;
    }
    call.cancel(false);
    return times;
  }

  private static BlockManifest manifest() {
    List<BlockManifest.Entry> entries = new ArrayList<>();
    for (int i = 0; i < REQUESTS; i++) {
      boolean read = i % 2 == 0;
      entries.add(
          new BlockManifest.Entry(
              i,
              1,
              read ? BlockOperation.READ : BlockOperation.WRITE,
              (long) i * REQUEST_BYTES,
              REQUEST_BYTES,
              BlockManifest.State.ANSWERED,
              ByteBuffer.allocate(read ? REQUEST_BYTES : DIGESTS_BYTES)));
    }
    return new BlockManifest(1, (long) REQUESTS * REQUEST_BYTES, 0, entries);
  }

  @Override
  public CompletableFuture<List<SealedDevice>> sealWhenSuspended(
      String from, UUID migration, Consumer<SealedDevice> known) {
    caller.complete(known);
    return new CompletableFuture<>();
  }

  @Override
  public List<SealedDevice> seal(String from, UUID migration) throws MigrationRefusedException {
    throw notHere();
  }

  @Override
  public List<PeerMessages.ServedDomain> describe(String domainName) {
    return List.of();
  }

  @Override
  public Optional<PeerMessages.ServedDomain> describe(UUID domain) {
    return Optional.empty();
  }

  @Override
  public PeerMessages.Prepared prepare(String from, PeerMessages.Prepare request)
      throws MigrationRefusedException {
    throw notHere();
  }

  @Override
  public List<String> takeOver(String from, UUID migration, List<PeerMessages.Claim> claims)
      throws MigrationRefusedException {
    throw notHere();
  }

  @Override
  public PeerMessages.PhaseReport abort(String from, UUID migration, String reason)
      throws MigrationRefusedException {
    throw notHere();
  }

  @Override
  public PeerMessages.PhaseReport commit(String from, UUID migration)
      throws MigrationRefusedException {
    throw notHere();
  }

  @Override
  public PeerMessages.PhaseReport status(String from, UUID migration, UUID domain, Direction asked)
      throws MigrationRefusedException {
    throw notHere();
  }

  @Override
  public PeerMessages.Timeline timeline(String from, UUID migration)
      throws MigrationRefusedException {
    throw notHere();
  }

  private static MigrationRefusedException notHere() {
    return new MigrationRefusedException("a drill of the hand-over knows no migrations");
  }
}
