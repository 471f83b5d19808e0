package io.netchannel.server;

import static io.netchannel.server.ServerHarness.CLIENT;
import static io.netchannel.server.ServerHarness.EXPORT;
import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import io.netchannel.device.Completion;
import io.netchannel.device.Custody;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.DeviceOpener;
import io.netchannel.device.Devices;
import io.netchannel.device.Inheritance;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.Outcome;
import io.netchannel.device.RequestName;
import io.netchannel.device.Requests;
import io.netchannel.device.StorageState;
import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.remote.RemoteDevices;
import io.netchannel.device.remote.RemoteOptions;
import io.netchannel.wire.FrameType;
import io.netchannel.wire.Transport;
import io.netchannel.xen.Waiting;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * All orders of what may happen to writes that are not flushed, up to a length, each from its own
 * beginning, on a disk whose cache is lost with its host. Each ends with a flush. No flush succeeds
 * while a write that was answered before it is not on the disk.
 *
 * <p>What a seal makes of a custody is repeated here, as a seal needs a guest: its own tests show
 * that it does so. That the search finds anything is shown by two faults that are put in.
 */
@Timeout(900)
final class LostWritesSimulationTest {
  /** The flush at the end is one more. */
  private static final int LONGEST = 4;

  private static final RemoteOptions PROMPT =
      new RemoteOptions(
          Duration.ofSeconds(20),
          Duration.ofSeconds(3),
          Duration.ofSeconds(5),
          Duration.ofSeconds(20),
          Duration.ofMillis(1),
          Duration.ofMillis(1),
          Optional.empty());

  private enum Event {
    WRITE,
    FLUSH,
    /** Its process only: the cache stays. */
    SERVER_RESTARTS,
    /** With its host: the cache is lost. */
    HOST_CRASHES,
    CLIENT_KILLED,
    /** Its ATTACH is answered, and it never hears that. */
    RECONNECT_LOST,
    SEAL,
    /** A write is at the device at the moment of custody, and answered before the manifest goes. */
    SEAL_DURING_WRITE,
  }

  private enum Fault {
    NONE,
    /** The storage is noted for a client that may not have heard of it. */
    NOTED_TOO_EARLY,
    /** The manifest says of the storage what the custody said. */
    MANIFEST_OF_CUSTODY,
  }

  @TempDir private Path directory;
  private final ExecutorService executor = Executors.newCachedThreadPool();
  private final Transport transport = new Transport("lost", 1);
  private int runs;

  @AfterEach
  void stop() {
    transport.close();
    executor.shutdownNow();
  }

  @Test
  void noFlushSucceedsAfterALoss() throws Exception {
    assertThat(search(Fault.NONE)).as("a flush that succeeded after a loss").isEmpty();
    System.out.println(runs + " orders");
  }

  @Test
  void aStorageNotedTooEarlyIsFound() throws Exception {
    assertThat(search(Fault.NOTED_TOO_EARLY).orElseThrow())
        .contains(Event.HOST_CRASHES, Event.RECONNECT_LOST);
  }

  @Test
  void aManifestOfTheCustodyIsFound() throws Exception {
    assertThat(search(Fault.MANIFEST_OF_CUSTODY).orElseThrow())
        .contains(Event.HOST_CRASHES, Event.SEAL_DURING_WRITE);
  }

  /** The shortest order of events in which a flush succeeds that must not. */
  private Optional<ImmutableList<Event>> search(Fault fault) throws Exception {
    for (int length = 1; length <= LONGEST; length++) {
      Optional<ImmutableList<Event>> found = search(fault, length, ImmutableList.of());
      if (found.isPresent()) {
        System.out.printf("%s, after %d orders: %s%n", fault, runs, found.get());
        return found;
      }
    }
    return Optional.empty();
  }

  private Optional<ImmutableList<Event>> search(
      Fault fault, int length, ImmutableList<Event> before) throws Exception {
    if (before.size() == length) {
      runs++;
      try (Run run = new Run(Files.createDirectory(directory.resolve("r" + runs)), fault)) {
        return run.flushesTruly(before) ? Optional.empty() : Optional.of(before);
      }
    }
    for (Event event : Event.values()) {
      if (makesSense(before, event)) {
        ImmutableList<Event> next =
            ImmutableList.<Event>builder().addAll(before).add(event).build();
        Optional<ImmutableList<Event>> found = search(fault, length, next);
        if (found.isPresent()) {
          return found;
        }
      }
    }
    return Optional.empty();
  }

  /** Whether another order does not show the same. */
  private static boolean makesSense(ImmutableList<Event> before, Event event) {
    Optional<Event> last =
        before.isEmpty() ? Optional.empty() : Optional.of(before.get(before.size() - 1));
    return switch (event) {
      case WRITE, SEAL, SEAL_DURING_WRITE -> true;
      case FLUSH, SERVER_RESTARTS, HOST_CRASHES -> last.isPresent() && last.get() != event;
      case CLIENT_KILLED ->
          last.isPresent() && last.get() != event && last.get() != Event.RECONNECT_LOST;
      // One that lives takes the answer as its rival's.
      case RECONNECT_LOST -> isDead(before) && last.get() != event;
    };
  }

  private static boolean isDead(ImmutableList<Event> before) {
    for (Event event : before.reverse()) {
      switch (event) {
        case CLIENT_KILLED -> {
          return true;
        }
        case WRITE, FLUSH, SEAL, SEAL_DURING_WRITE -> {
          return false;
        }
        case SERVER_RESTARTS, HOST_CRASHES, RECONNECT_LOST -> {}
      }
    }
    return false;
  }

  /** One order of events, from nothing. */
  private final class Run implements AutoCloseable {
    private final Path place;
    private final Fault fault;
    private final CachingDisk disk = new CachingDisk();
    private final Set<Integer> answered = new HashSet<>();
    private final DeviceOpener opener =
        new DeviceOpener(
            true,
            new RemoteDevices(transport, executor, Optional.empty(), PROMPT, new Random(7))
                .kinds());
    private final List<Device> sealed = new ArrayList<>();
    private ExportServer server;
    private UUID storage = new UUID(1, 1);
    private long generation = 1;
    private Optional<Device> client = Optional.empty();
    private int writes;

    private Run(Path place, Fault fault) throws Exception {
      this.place = place;
      this.fault = fault;
      startServer();
      client = Optional.of(open(Optional.empty()));
    }

    private Path socket() {
      return place.resolve("s");
    }

    private void startServer() throws Exception {
      server =
          new ExportServer(
              place.resolve("exports"),
              transport,
              new ServerParts(
                  disk,
                  executor,
                  Clock.systemUTC(),
                  storage,
                  ServerLimits.DEFAULT,
                  new BufferBudget(64 << 20)));
      server.add(new Export(EXPORT, "memory", false, ImmutableSet.of()));
      server.listen(socket());
    }

    private Device open(Optional<Inheritance> inheritance) throws Exception {
      return opener.open(
          "netchannel+unix:///" + EXPORT + "?socket=" + socket(),
          OpenOptions.of(false, new OpenOptions.User(CLIENT, generation, inheritance)));
    }

    /** The one there is, or who comes in the name of one that was killed. */
    private Device client() throws Exception {
      if (client.isEmpty()) {
        client = Optional.of(open(Optional.of(Inheritance.UNTOLD)));
      }
      return client.get();
    }

    private boolean flushesTruly(ImmutableList<Event> events) throws Exception {
      for (Event event : events) {
        if (!happens(event)) {
          return false;
        }
      }
      return flush(events.contains(Event.HOST_CRASHES));
    }

    private boolean happens(Event event) throws Exception {
      switch (event) {
        case WRITE -> assertThat(Requests.join(write(client()))).isEqualTo(Outcome.OK);
        case FLUSH -> {
          return flush(true);
        }
        case SERVER_RESTARTS -> {
          server.close();
          startServer();
        }
        case HOST_CRASHES -> {
          server.close();
          disk.loseCache();
          storage = new UUID(2, storage.getLeastSignificantBits() + 1);
          startServer();
        }
        case CLIENT_KILLED -> {
          client().keepPlace();
          client().close();
          client = Optional.empty();
        }
        case RECONNECT_LOST -> {
          try (RawClient unheard = new RawClient(socket())) {
            unheard.attach(generation);
            if (fault == Fault.NOTED_TOO_EARLY) {
              note(unheard);
            }
          }
        }
        case SEAL -> {
          // The one that is away cannot tell its authority's state before it is back.
          takeOver(client().custody().orElseThrow().join(), false);
        }
        case SEAL_DURING_WRITE -> {
          Device old = client();
          disk.hold();
          CompletableFuture<Outcome> write = write(old);
          Waiting.until("at the device", disk::holdsWrite);
          Custody custody = old.custody().orElseThrow().join();
          disk.release();
          assertThat(Requests.join(write)).isEqualTo(Outcome.OK);
          takeOver(custody, true);
        }
      }
      return true;
    }

    /** As a server would that notes a storage when it sends ATTACHED. */
    private void note(RawClient unheard) throws Exception {
      unheard.request(FrameType.FLUSH, 0, 1, 0, 0);
      unheard.expect(FrameType.REPLY);
    }

    private void takeOver(Custody custody, boolean done) throws Exception {
      StorageState atCustody = custody.storage();
      boolean counts = done && fault != Fault.MANIFEST_OF_CUSTODY;
      StorageState left = new StorageState(atCustody.identity(), atCustody.unflushed() || counts);
      ImmutableList<RequestName> names =
          done ? ImmutableList.of() : custody.writes().values().asList();
      Device old = client();
      old.relinquish();
      sealed.add(old);
      client = Optional.empty();
      generation++;
      client = Optional.of(open(Optional.of(new Inheritance(left, names))));
    }

    private CompletableFuture<Outcome> write(Device device) {
      int number = writes++;
      ByteBuffer data = ByteBuffer.allocateDirect(512);
      return Requests.submit(done -> device.write(number * 512L, data, done))
          .thenApply(
              outcome -> {
                answered.add(number);
                return outcome;
              });
    }

    private boolean flush(boolean mayFail) throws Exception {
      Set<Integer> before = Set.copyOf(answered);
      Outcome outcome = Requests.flush(client());
      if (!mayFail) {
        assertThat(outcome).as("nothing was lost").isEqualTo(Outcome.OK);
      }
      return outcome != Outcome.OK || disk.hasDurably(before);
    }

    @Override
    public void close() {
      client.ifPresent(Device::close);
      sealed.forEach(Device::close);
      server.close();
      opener.close();
    }
  }

  /** Which blocks were written, each once. What is in its cache only is lost with its host. */
  private final class CachingDisk implements Devices {
    // All guarded by this.
    private final Set<Integer> cached = new HashSet<>();
    private final Set<Integer> durable = new HashSet<>();
    private final List<Runnable> held = new ArrayList<>();
    private boolean holding;
    private int heldWrites;

    synchronized void loseCache() {
      cached.clear();
    }

    synchronized boolean hasDurably(Set<Integer> blocks) {
      return durable.containsAll(blocks);
    }

    synchronized void hold() {
      holding = true;
    }

    /** A flush of the client's own may be held with it. */
    synchronized boolean holdsWrite() {
      return heldWrites > 0;
    }

    synchronized void release() {
      holding = false;
      held.forEach(executor::execute);
      held.clear();
      heldWrites = 0;
    }

    private synchronized void countWrite() {
      heldWrites += holding ? 1 : 0;
    }

    private synchronized void submit(Runnable task) {
      if (holding) {
        held.add(task);
      } else {
        executor.execute(task);
      }
    }

    private synchronized void cache(int block) {
      cached.add(block);
    }

    private synchronized void makeDurable() {
      durable.addAll(cached);
    }

    @Override
    public Device open(String source, OpenOptions options) {
      return new Opened();
    }

    private final class Opened implements Device {
      @Override
      public DeviceGeometry geometry() {
        return new DeviceGeometry(1 << 20, 512, 4096, false, true, false, 0, false);
      }

      private void run(Completion completion, Runnable effect) {
        submit(
            () -> {
              effect.run();
              completion.complete(Outcome.OK);
            });
      }

      @Override
      public void read(long offsetBytes, ByteBuffer data, Completion completion) {
        run(completion, () -> {});
      }

      @Override
      public void write(long offsetBytes, ByteBuffer data, Completion completion) {
        countWrite();
        run(completion, () -> cache((int) (offsetBytes / 512)));
      }

      @Override
      public void flush(Completion completion) {
        run(completion, CachingDisk.this::makeDurable);
      }

      @Override
      public void discard(long offsetBytes, long lengthBytes, Completion completion) {
        completion.complete(Outcome.UNSUPPORTED);
      }

      @Override
      public void close() {}
    }
  }
}
