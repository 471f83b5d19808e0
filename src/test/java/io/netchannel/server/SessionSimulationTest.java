package io.netchannel.server;

import static io.netchannel.server.ServerHarness.CLIENT;
import static io.netchannel.server.ServerHarness.EXPORT;
import static io.netchannel.server.ServerHarness.QUICK;
import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.BlockBuffers;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceOpener;
import io.netchannel.device.Outcome;
import io.netchannel.device.Requests;
import io.netchannel.device.remote.RemoteDevices;
import io.netchannel.tls.HostTls;
import io.netchannel.wire.Transport;
import io.netchannel.xen.Waiting;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ThreadLocalRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A guest's disk through everything that may happen to its session, at random: connections that are
 * cut in the middle of frames, servers and clients that die and come again, take-overs under load,
 * with the old client trying to write for ever. A model of the disk sees each write when it is
 * done: a block's writes in their order, each once; twice only where the server or the client has
 * forgotten, and then with nothing in between. {@code -Dnetchannel.seed=N} repeats the events of a
 * run, though not how threads interleave.
 */
@Timeout(300)
final class SessionSimulationTest {
  private static final int BLOCKS = 16;
  private static final int STRIDE_BYTES = 32 << 10;
  private static final int EVENTS = 16;
  private static final int MOST_ATTEMPTS = 50;

  /** In the number of a write that must never be done. */
  private static final long POISON = 1L << 31;

  private enum Event {
    CUT,
    SERVER_DIES,
    CLIENT_DIES,
    TAKE_OVER,
    RECLAIM
  }

  private enum Phase {
    WRITE,
    FLUSH,
    READ
  }

  @TempDir private Path directory;
  private final long seed = Long.getLong("netchannel.seed", ThreadLocalRandom.current().nextLong());
  private final Random random = new Random(seed);
  private ServerHarness host;
  private CuttingProxy proxy;
  private HostTls tls;
  private final Guest guest = new Guest();
  private long generation = 1;

  @BeforeEach
  void start() throws Exception {
    System.out.println("-Dnetchannel.seed=" + seed);
    host = new ServerHarness(directory, seed);
    host.disk.observer = guest::done;
    proxy = new CuttingProxy(host.port(), host.executor, seed);
    tls = host.tls("hosta");
  }

  @AfterEach
  void stop() throws Exception {
    proxy.close();
    host.close();
  }

  /** One process with the device open; it dies with its threads, without a word to anybody. */
  private record Life(Transport transport, Device device) {
    void die() {
      transport.close();
    }
  }

  private Life open() throws Exception {
    Transport transport = new Transport("life", 1);
    RemoteDevices kinds =
        new RemoteDevices(transport, host.executor, Optional.of(tls), QUICK, new Random(seed));
    try (DeviceOpener opener = new DeviceOpener(true, kinds.kinds())) {
      for (int attempt = 1; ; attempt++) {
        try {
          return new Life(
              transport,
              opener.open(
                  ServerHarness.source(EXPORT, proxy.port()),
                  ServerHarness.as(CLIENT, generation)));
        } catch (DeviceException e) {
          // A handshake that was cut is an error of TLS; opening does not try that again.
          if (attempt == MOST_ATTEMPTS) {
            throw e;
          }
        }
      }
    }
  }

  @RepeatedTest(4)
  void everyWriteOnceAndInOrder() throws Exception {
    Map<Event, Integer> happened = new EnumMap<>(Event.class);
    Life current = open();
    Optional<Life> old = Optional.empty();
    guest.goOnWith(current.device);
    for (int i = 0; i < EVENTS; i++) {
      guest.awaitProgress(20 + random.nextInt(60));
      Event event = Event.values()[random.nextInt(old.isPresent() ? 5 : 4)];
      happened.merge(event, 1, Integer::sum);
      boolean slow = random.nextBoolean();
      if (slow) {
        host.disk.hold();
        Waiting.until("requests at the device", () -> host.disk.held() > 0);
      }
      switch (event) {
        case CUT -> {
          proxy.cutNow();
          host.disk.release();
        }
        case SERVER_DIES -> {
          releaseSoon();
          guest.outstandingMayRepeat();
          host.stop();
          guest.outstandingMayRepeat();
          host.start();
        }
        case CLIENT_DIES -> {
          guest.freeze();
          releaseSoon();
          current.die();
          current = open();
          guest.goOnWith(current.device);
        }
        case TAKE_OVER -> {
          old.ifPresent(SessionSimulationTest::end);
          guest.freeze();
          generation++;
          releaseSoon();
          Life newer = open();
          guest.goOnWith(newer.device);
          old = Optional.of(current);
          isShutOut(current.device);
          current = newer;
        }
        case RECLAIM -> {
          guest.freeze();
          generation++;
          releaseSoon();
          Life back = old.orElseThrow();
          back.device.useGeneration(generation);
          assertThat(Requests.read(back.device, 0, 512)).hasSize(512);
          guest.goOnWith(back.device);
          old = Optional.of(current);
          isShutOut(current.device);
          current = back;
        }
      }
      guest.check();
    }
    proxy.heal();
    guest.finish();
    System.out.printf(
        "%s, %d cuts, %d writes, %d twice%n",
        happened, proxy.cuts.get(), host.disk.writes.size(), guest.repeats);
    end(current);
    old.ifPresent(SessionSimulationTest::end);
    assertThat(host.disk.open).as("detached").hasValue(0);
  }

  private static void end(Life life) {
    life.device.close();
    life.die();
  }

  /** Not before somebody else has gone on. */
  private void releaseSoon() {
    host.executor.execute(host.disk::release);
  }

  /** It has no idea, and goes on writing. */
  private void isShutOut(Device device) {
    List<CompletableFuture<Outcome>> tries = new ArrayList<>();
    for (int block = 0; block < BLOCKS; block++) {
      ByteBuffer data = BlockBuffers.allocate(512);
      data.putLong(0, number(block, 1) | POISON);
      long offset = (long) block * STRIDE_BYTES;
      tries.add(Requests.submit(done -> device.write(offset, data, done)));
    }
    for (CompletableFuture<Outcome> each : tries) {
      assertThat(Requests.join(each)).as("seed %d", seed).isEqualTo(Outcome.IO_ERROR);
    }
  }

  private static long number(int block, long write) {
    return ((block + 1L) << 32) | write;
  }

  /**
   * What a mid-point does for its guest: one request at a time for each block, and after a restart
   * or a take-over all again that was not answered.
   */
  private final class Guest {
    // All guarded by this.
    private final Phase[] phases = new Phase[BLOCKS];
    private final boolean[] outstanding = new boolean[BLOCKS];
    private final long[] writes = new long[BLOCKS];
    private final long[] done = new long[BLOCKS];
    private final Set<Long> mayRepeat = new HashSet<>();
    private final List<String> wrong = new ArrayList<>();
    private Device device;
    private int life;
    private boolean frozen;
    private boolean finishing;
    private int answered;
    private int repeats;

    private Guest() {
      for (int block = 0; block < BLOCKS; block++) {
        phases[block] = Phase.WRITE;
        writes[block] = 1;
      }
    }

    /** Every fourth block is longer than what is copied on its way. */
    private static int bytes(int block) {
      return block % 4 == 3 ? 20 << 10 : 4 << 10;
    }

    synchronized void goOnWith(Device newDevice) {
      outstandingMayRepeat();
      device = newDevice;
      life++;
      frozen = false;
      for (int block = 0; block < BLOCKS; block++) {
        send(block);
      }
    }

    synchronized void freeze() {
      frozen = true;
    }

    synchronized void outstandingMayRepeat() {
      for (int block = 0; block < BLOCKS; block++) {
        if (outstanding[block] && phases[block] == Phase.WRITE) {
          mayRepeat.add(number(block, writes[block]));
        }
      }
    }

    private void send(int block) {
      outstanding[block] = true;
      int by = life;
      long offset = (long) block * STRIDE_BYTES;
      ByteBuffer data = BlockBuffers.allocate(bytes(block));
      switch (phases[block]) {
        case WRITE -> {
          data.putLong(0, number(block, writes[block]));
          data.putLong(data.capacity() - Long.BYTES, number(block, writes[block]));
          device.write(offset, data, outcome -> ended(by, block, outcome, data));
        }
        case FLUSH -> device.flush(outcome -> ended(by, block, outcome, data));
        case READ -> device.read(offset, data, outcome -> ended(by, block, outcome, data));
      }
    }

    private synchronized void ended(int by, int block, Outcome outcome, ByteBuffer data) {
      if (by != life) {
        return; // of a life before: whatever it says
      }
      outstanding[block] = false;
      long number = number(block, writes[block]);
      if (outcome != Outcome.OK && frozen) {
        outstanding[block] = true; // shut out already: whoever goes on does it again
        return;
      }
      if (outcome != Outcome.OK) {
        wrong.add("%x: %s of %s".formatted(number, outcome, phases[block]));
      }
      answered++;
      switch (phases[block]) {
        case WRITE -> {
          if (done[block] != number) {
            wrong.add("%x answered, but %x is done".formatted(number, done[block]));
          }
          phases[block] = writes[block] % 4 == 0 ? Phase.FLUSH : Phase.READ;
        }
        case FLUSH -> phases[block] = Phase.READ;
        case READ -> {
          if (data.getLong(0) != number || data.getLong(bytes(block) - Long.BYTES) != number) {
            wrong.add("%x expected, %x read".formatted(number, data.getLong(0)));
          }
          phases[block] = Phase.WRITE;
          writes[block]++;
        }
      }
      boolean ends = finishing && phases[block] == Phase.WRITE;
      if (!frozen && !ends) {
        send(block);
      }
    }

    /** A write is on the disk. */
    private synchronized void done(long number) {
      int block = (int) (number >>> 32) - 1;
      if ((number & POISON) != 0) {
        wrong.add("%x written by who was shut out".formatted(number));
      } else if (number < done[block]) {
        wrong.add("%x written over %x".formatted(number, done[block]));
      } else if (number == done[block]) {
        repeats++;
        if (!mayRepeat.contains(number)) {
          wrong.add("%x written twice".formatted(number));
        }
      }
      done[block] = number;
    }

    void awaitProgress(int more) {
      int before = answered();
      Waiting.until("requests answered", () -> answered() >= before + more);
    }

    private synchronized int answered() {
      return answered;
    }

    synchronized void check() {
      assertThat(wrong).as("seed %d", seed).isEmpty();
    }

    void finish() {
      synchronized (this) {
        finishing = true;
      }
      Waiting.until("all answered", this::isIdle);
      check();
      for (int block = 0; block < BLOCKS; block++) {
        long last = writes[block] - 1;
        assertThat(host.disk.numberAt(block * STRIDE_BYTES))
            .as("seed %d", seed)
            .isEqualTo(number(block, last));
        for (long write = 1; write <= last; write++) {
          assertThat(host.disk.writes).as("seed %d", seed).containsKey(number(block, write));
        }
      }
    }

    private synchronized boolean isIdle() {
      for (boolean each : outstanding) {
        if (each) {
          return false;
        }
      }
      return true;
    }
  }
}
