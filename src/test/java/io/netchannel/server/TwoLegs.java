package io.netchannel.server;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableList;
import com.google.common.net.HostAndPort;
import io.netchannel.device.BlockBuffers;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceOpener;
import io.netchannel.device.Devices;
import io.netchannel.device.ForwardingDevice;
import io.netchannel.device.Inheritance;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.Outcome;
import io.netchannel.device.Requests;
import io.netchannel.device.Storage;
import io.netchannel.device.legs.Authority;
import io.netchannel.device.legs.MirrorLedger;
import io.netchannel.device.legs.MirrorRecord;
import io.netchannel.device.legs.Mirrors;
import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.mirror.MirrorState;
import io.netchannel.device.remote.RemoteDevices;
import io.netchannel.tls.HostTls;
import io.netchannel.wire.Transport;
import io.netchannel.xen.Waiting;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A disk with legs on two device servers, and a witness, all real and in this process. The host of
 * the guest is one {@link Daemon} after the other.
 */
final class TwoLegs implements AutoCloseable {
  static final String USER = ServerHarness.CLIENT;

  /** Longer than anything takes here: a leg is silent when a test says that it has passed. */
  private static final Duration LEG_TIMEOUT = Duration.ofMinutes(10);

  /** Of a leg that is opened again. */
  private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);

  private static final int BLOCK_BYTES = 4096;

  final ServerHarness a;
  final ServerHarness b;
  private final Path directory;
  private final ExecutorService executor = Executors.newCachedThreadPool();
  private final AtomicLong passedNanos = new AtomicLong();
  private Optional<ServerHarness> witness = Optional.empty();

  TwoLegs(Path directory, long seed) throws Exception {
    this.directory = directory;
    a = new ServerHarness(directory.resolve("a"), seed);
    b = new ServerHarness(directory.resolve("b"), seed + 1);
  }

  /** From the next daemon on. */
  ServerHarness withWitness() throws Exception {
    witness = Optional.of(new ServerHarness(directory.resolve("witness"), 1));
    return witness.get();
  }

  static String leg(ServerHarness host) {
    return host.unixSource(ServerHarness.EXPORT);
  }

  String source() {
    return Mirrors.source(List.of(leg(a), leg(b)));
  }

  /** What is not answered has not been for so long. */
  void legTimeoutPasses() {
    passedNanos.addAndGet(LEG_TIMEOUT.plusSeconds(1).toNanos());
  }

  /** Nobody has to wait. */
  void passes(Duration time) {
    passedNanos.addAndGet(time.toNanos());
  }

  /** What the authority of a leg knows. */
  Optional<MirrorRecord> recordAt(ServerHarness host) {
    try (Daemon asker = new Daemon("asker")) {
      return asker.remote.records(leg(host)).ask(USER).record();
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  /** Bytes of a block that a test can tell from any other. */
  static byte[] block(long number) {
    return ByteBuffer.allocate(BLOCK_BYTES).putLong(number).array();
  }

  static CompletableFuture<Outcome> write(Device disk, int block, long number) {
    ByteBuffer data = BlockBuffers.allocate(BLOCK_BYTES);
    data.put(block(number)).flip();
    return Requests.submit(done -> disk.write((long) block * BLOCK_BYTES, data, done));
  }

  static long numberAt(ServerHarness host, int block) {
    return host.disk.numberAt(block * BLOCK_BYTES);
  }

  static long read(Device disk, int block) {
    return ByteBuffer.wrap(Requests.read(disk, (long) block * BLOCK_BYTES, BLOCK_BYTES)).getLong();
  }

  static Outcome answer(CompletableFuture<Outcome> request) throws Exception {
    return request.get(60, TimeUnit.SECONDS);
  }

  /** One process of a host that serves the guest. */
  final class Daemon implements AutoCloseable {
    final Mirrors mirrors;
    final MirrorLedger ledger;
    final RemoteDevices remote;
    private final Transport transport = new Transport("daemon", 2);
    private final DeviceOpener devices;
    private volatile boolean dead;

    /** How long legs that were away were to be left alone, one after the other. */
    final Queue<Duration> pauses = new ConcurrentLinkedQueue<>();

    /** What came by time within a second: the ticks of disks. */
    private final AtomicLong ticks = new AtomicLong();

    /** The witness is not asked before it completes. */
    volatile CompletableFuture<Void> witnessAnswers = CompletableFuture.completedFuture(null);

    final CountDownLatch witnessAsked = new CountDownLatch(1);

    /** What it is told, not what it is asked. */
    volatile boolean witnessRefuses;

    /** Whether no leg hears that the disk is here. */
    volatile boolean arrivesNowhere;

    final CountDownLatch arrivedAsked = new CountDownLatch(1);

    /**
     * @param host whose it is: those of one host know the same
     */
    Daemon(String host) throws Exception {
      Optional<HostTls> tls =
          witness.isPresent() ? Optional.of(witness.get().tls("hosta")) : Optional.empty();
      remote = new RemoteDevices(transport, executor, tls, ServerHarness.QUICK, new Random(7));
      devices = new DeviceOpener(true, remote.kinds());
      ledger = MirrorLedger.open(directory.resolve(host + ".mirrors"), executor);
      Optional<Authority> third =
          witness.map(
              server ->
                  refusing(remote.witness(HostAndPort.fromParts("127.0.0.1", server.port()))));
      mirrors =
          new Mirrors(
              new Mirrors.Environment(
                  this::legs,
                  remote::records,
                  third,
                  ledger,
                  directory.resolve(host),
                  new BufferBudget(64 << 20),
                  executor,
                  this::later,
                  () -> System.nanoTime() + passedNanos.get(),
                  UUID::randomUUID,
                  LEG_TIMEOUT,
                  source -> source.equals(leg(a))));
    }

    private Devices legs() {
      return new Devices() {
        @Override
        public Device open(String source, OpenOptions options) throws DeviceException {
          return new ForwardingDevice(devices.open(source, options)) {
            @Override
            public CompletableFuture<Void> arrived() {
              if (arrivesNowhere) {
                arrivedAsked.countDown();
                return new CompletableFuture<>();
              }
              return device.arrived();
            }
          };
        }

        @Override
        public String place(String source) throws DeviceException {
          return devices.place(source);
        }

        @Override
        public Storage storage(String source) throws DeviceException {
          return devices.storage(source);
        }
      };
    }

    private Authority refusing(Authority real) {
      return new Authority() {
        @Override
        public Known ask(String client) throws DeviceException {
          witnessAsked.countDown();
          try {
            witnessAnswers.get(20, TimeUnit.SECONDS);
          } catch (Exception e) {
            throw new DeviceException("the witness is silent for a test", e);
          }
          return real.ask(client);
        }

        @Override
        public void tell(String client, long generation, Optional<MirrorRecord> record)
            throws DeviceException {
          if (witnessRefuses) {
            throw new DeviceException("the witness refuses for a test");
          }
          real.tell(client, generation, record);
        }
      };
    }

    /** Pauses between attempts are a tenth of what they are. */
    private void later(Duration delay, Runnable action) {
      if (delay.compareTo(FIRST_PAUSE) >= 0) {
        pauses.add(delay);
      }
      CompletableFuture.delayedExecutor(delay.toMillis() / 10, TimeUnit.MILLISECONDS, executor)
          .execute(
              () -> {
                if (!dead) {
                  action.run();
                  if (delay.compareTo(FIRST_PAUSE) < 0) {
                    ticks.incrementAndGet();
                  }
                }
              });
    }

    Device open(long generation) throws DeviceException {
      return open(generation, Optional.empty());
    }

    Device open(long generation, Optional<Inheritance> left) throws DeviceException {
      return open(OpenOptions.of(false, new OpenOptions.User(USER, generation, left)));
    }

    /** What becomes a copy of the disk. */
    Device openAnew(long generation) throws DeviceException {
      return open(OpenOptions.anew(new OpenOptions.User(USER, generation)));
    }

    private Device open(OpenOptions options) throws DeviceException {
      return mirrors.open(source().substring(Mirrors.SCHEME.length() + 1), options);
    }

    Mirrors.Status status() {
      ImmutableList<Mirrors.Status> all = mirrors.all();
      assertThat(all).hasSize(1);
      return all.get(0);
    }

    void awaits(MirrorState state) {
      Waiting.until(state + " instead of " + status(), () -> status().mirror().state() == state);
    }

    /** Of a disk that is open. */
    void awaitsTicks(int count) {
      long until = ticks.get() + count;
      Waiting.until(count + " ticks", () -> ticks.get() >= until);
    }

    void awaitsMembers(ServerHarness... hosts) {
      List<String> members = List.of(hosts).stream().map(TwoLegs::leg).toList();
      Waiting.until(
          "members " + members + " instead of " + status(),
          () -> status().record().members().equals(members));
    }

    /** What it would try again it does not. */
    void comesBackToNothing() {
      dead = true;
    }

    /** As kill -9 does: nothing more goes out, and nothing is put in order. */
    void kill() {
      dead = true;
      transport.close();
    }

    @Override
    public void close() {
      dead = true;
      devices.close();
      transport.close();
    }
  }

  @Override
  public void close() {
    a.close();
    b.close();
    witness.ifPresent(ServerHarness::close);
    executor.shutdownNow();
  }
}
