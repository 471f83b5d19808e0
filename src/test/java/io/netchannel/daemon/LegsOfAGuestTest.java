package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceKind;
import io.netchannel.device.ForwardingDevice;
import io.netchannel.device.Inheritance;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.Outcome;
import io.netchannel.device.Storage;
import io.netchannel.vdevice.block.frontend.GuestIo;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A guest whose disk has two legs, both exports of a device server beside its host. */
@Timeout(180)
final class LegsOfAGuestTest {
  private static final String A = "netchannel://store/a";
  private static final String B = "netchannel://store/b";
  private static final String BOTH = "mirror:" + A + "," + B;

  @TempDir private Path directory;
  private HostStorage storage;
  private SwappingHost guest;
  private final Queue<Completion> held = new ConcurrentLinkedQueue<>();
  private volatile boolean holds;

  /** Legs that whoever opens one alone does not find. */
  private final Set<String> away = ConcurrentHashMap.newKeySet();

  /** Whether no server notes where the disk is: of devices that are opened while it is set. */
  private volatile boolean notesNothing;

  /** How many were opened for a copy. */
  private final AtomicInteger copies = new AtomicInteger();

  /** Which of those has lost writes. */
  private volatile int loses;

  /** What the device that holds writes was opened with last. */
  private volatile Optional<Inheritance> left = Optional.empty();

  @BeforeEach
  void start() throws Exception {
    Path store = Files.createDirectory(directory.resolve("store"));
    for (String leg : List.of("a", "b")) {
      Files.write(store.resolve(leg + ".raw"), new byte[(int) SwappingHost.SIZE]);
    }
    storage =
        HostStorage.open(
            DaemonConfiguration.parse(
                "test.toml",
                """
                [daemon]
                name = "store"
                run-directory = "%1$s"
                state-directory = "%1$s"
                [[export]]
                name = "a"
                path = "%1$s/a.raw"
                [[export]]
                name = "b"
                path = "%1$s/b.raw"
                """
                    .formatted(store)),
            Optional.empty());
    guest =
        new SwappingHost(
            directory,
            ImmutableMap.of(
                "netchannel",
                new Its("netchannel"),
                "mirror",
                new Its("mirror"),
                "held",
                this::openHeld));
  }

  @AfterEach
  void stop() {
    guest.close();
    storage.close();
  }

  /** As that host has it. */
  private final class Its implements DeviceKind {
    private final String scheme;

    Its(String scheme) {
      this.scheme = scheme + ":";
    }

    @Override
    public Device open(String text, OpenOptions options) throws DeviceException {
      checkThere(text);
      Device opened = storage.devices().open(scheme + text, options);
      Device device = options.anew() ? copy(opened, copies.incrementAndGet()) : opened;
      return notesNothing ? notNoting(device) : device;
    }

    private Device copy(Device opened, int number) {
      return new ForwardingDevice(opened) {
        @Override
        public boolean hasLostWrites() {
          return number == loses || device.hasLostWrites();
        }
      };
    }

    private Device notNoting(Device opened) {
      return new ForwardingDevice(opened) {
        @Override
        public CompletableFuture<Void> moved(String to) {
          return notesNothing ? notNoted() : device.moved(to);
        }

        @Override
        public CompletableFuture<Void> arrived() {
          return notesNothing ? notNoted() : device.arrived();
        }
      };
    }

    private CompletableFuture<Void> notNoted() {
      return CompletableFuture.failedFuture(new DeviceException("not noted, for the test"));
    }

    private void checkThere(String text) throws DeviceException {
      if (away.contains(scheme + text)) {
        throw new DeviceException(scheme + text + " is away, for the test");
      }
    }

    @Override
    public Device openAround(String text, Device present, OpenOptions options)
        throws DeviceException {
      return storage.devices().openAround(scheme + text, present, options);
    }

    @Override
    public long newestGeneration(String text, String user, boolean readOnly)
        throws DeviceException {
      checkThere(text);
      return storage.devices().newestGeneration(scheme + text, user, readOnly);
    }

    @Override
    public void giveFree(String text, OpenOptions options) throws DeviceException {
      storage.devices().giveFree(scheme + text, options);
    }

    @Override
    public Optional<Storage> storage(String text) throws DeviceException {
      return Optional.of(storage.devices().storage(scheme + text));
    }
  }

  /** A file that keeps writes while it is told to, and lets go of them when it is closed. */
  private Device openHeld(String text, OpenOptions options) throws DeviceException {
    left = options.user().flatMap(OpenOptions.User::inheritance);
    return new ForwardingDevice(storage.devices().open("file:" + text, options)) {
      @Override
      public void write(long offsetBytes, ByteBuffer data, Completion completion) {
        if (holds) {
          held.add(completion);
        } else {
          device.write(offsetBytes, data, completion);
        }
      }

      @Override
      public void close() {
        for (Completion each = held.poll(); each != null; each = held.poll()) {
          each.complete(Outcome.IO_ERROR);
        }
        device.close();
      }
    };
  }

  private Object ask(Map<String, Object> request) throws ControlException {
    return storage.control(guest.host.daemon().control()).handle(request);
  }

  private Map<String, Object> mirror() {
    try {
      List<Map<String, Object>> found = Json.objects(ask(Map.of("command", "mirrors")));
      assertThat(found).hasSize(1);
      return found.get(0);
    } catch (ControlException e) {
      throw new AssertionError(e);
    }
  }

  private void awaitSync() {
    guest.await("both legs are up to date", () -> "sync".equals(mirror().get("state")));
  }

  private void areAlike() throws Exception {
    assertThat(Files.mismatch(directory.resolve("store/a.raw"), directory.resolve("store/b.raw")))
        .isEqualTo(-1);
  }

  @Test
  void aGuestWithTwoLegsOutlivesItsDaemon() throws Exception {
    guest.startGuest(BOTH);
    guest.write(3);
    awaitSync();
    guest.write(4);
    assertThat(Json.objects(Json.objects(ask(Map.of("command", "devices"))).get(0).get("legs")))
        .extracting(leg -> leg.get("upToDate"))
        .containsExactly(true, true);
    guest.host.stopDaemon();
    guest.host.startDaemon();
    guest.write(5);
    awaitSync();
    guest.verify();
    guest.endGuest();
    areAlike();
  }

  /** The guest has written to its disk since: what the legs have is not that. */
  @Test
  void aSwapToTwoLegsThatIsGivenUpLeavesACopyThatStartsNothing() throws Exception {
    guest.startGuest(guest.make("file", "plain"));
    guest.write(3);
    guest.swap(BOTH, Map.of("pivot", "manual"));
    awaitSync();
    guest.job("abort");
    guest.awaitState("aborted");
    guest.write(7);
    guest.endGuest();
    assertThat(guest.refusedStart(BOTH)).contains("a part of a copy");
  }

  /** The legs have the generation of the disk already. */
  @Test
  void aSwapToTwoLegsGoesOnAfterARestart() throws Exception {
    guest.startGuest(guest.make("file", "plain"));
    guest.write(3);
    guest.swap(BOTH, Map.of("pivot", "manual"));
    awaitSync();
    guest.restartDaemon(true);
    guest.awaitState("sync");
    guest.write(4);
    guest.job("pivot");
    guest.awaitState("done");
    guest.verify();
    guest.endGuest();
    areAlike();
  }

  /** With the generation that they have been given free with just now, or are about to be. */
  @Test
  void aSwapToTwoLegsThatHaveLostSomethingOpensThemAnew() throws Exception {
    guest.startGuest(guest.make("file", "plain"));
    guest.write(3);
    guest.swap(BOTH, Map.of("pivot", "manual"));
    awaitSync();
    loses = copies.get();
    guest.await("they are opened anew", () -> copies.get() > loses);
    guest.awaitState("sync");
    assertThat(inUse()).isEqualTo(2);
    guest.write(4);
    guest.job("pivot");
    guest.awaitState("done");
    guest.verify();
    guest.endGuest();
    areAlike();
  }

  /** Both servers kept its place for the next daemon. */
  @Test
  void theLegsOfASwapWhoseGuestHasGoneAreGivenFree() throws Exception {
    guest.startGuest(guest.make("file", "plain"));
    guest.write(3);
    guest.swap(BOTH, Map.of("pivot", "manual"));
    awaitSync();
    assertThat(inUse()).isEqualTo(2);
    guest.restartDaemon(false);
    guest.await("both are free", () -> inUse() == 0);
  }

  private long inUse() {
    try {
      return Json.objects(ask(Map.of("command", "exports"))).stream()
          .filter(export -> !((List<?>) export.get("clients")).isEmpty())
          .count();
    } catch (ControlException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void aDiskIsSwappedToTwoLegsAndAway() throws Exception {
    String plain = guest.make("file", "plain");
    guest.startGuest(plain);
    guest.write(3);
    guest.swap(BOTH, Map.of());
    guest.awaitState("done");
    guest.write(4);
    guest.endGuest();
    guest.startGuest(BOTH);
    guest.write(5);
    awaitSync();
    guest.verify();
    guest.swap(plain, Map.of());
    guest.awaitState("done");
    guest.write(6);
    guest.endGuest();
    assertThat(moved()).as("both are told").isEqualTo(2);
  }

  private long moved() throws ControlException {
    return Json.objects(ask(Map.of("command", "exports"))).stream()
        .filter(export -> !((List<?>) export.get("moved")).isEmpty())
        .count();
  }

  private boolean isMoved(String name) {
    return !list(name, "moved").isEmpty();
  }

  private List<?> list(String name, String what) {
    try {
      return Json.objects(ask(Map.of("command", "exports"))).stream()
          .filter(export -> export.get("name").equals(name))
          .map(export -> (List<?>) export.get(what))
          .findFirst()
          .orElseThrow();
    } catch (ControlException e) {
      throw new AssertionError(e);
    }
  }

  private void awaitNothingToSay() {
    guest.await(
        "there is nothing to say",
        () -> guest.host.daemon().coordinator().jobs().untold().isEmpty());
  }

  /** Another host could start the guest from it: one leg is enough where the record says so. */
  @ParameterizedTest
  @CsvSource({"a,b", "b,a"})
  void aLegIsToldThatTheDiskHasLeftWhileTheOtherIsAway(String gone, String there) throws Exception {
    notesNothing = true;
    guest.startGuest(BOTH);
    guest.write(3);
    awaitSync();
    away.add("netchannel://store/" + gone);
    guest.swap(guest.make("file", "plain"), Map.of());
    guest.awaitState("done");
    assertThat(moved()).isZero();
    notesNothing = false;
    guest.await(
        "the one that is there is told", () -> isMoved(there) && list(there, "clients").isEmpty());
    assertThat(isMoved(gone)).isFalse();
    String client = String.valueOf(Json.object(list(there, "moved").get(0)).get("client"));
    var unused =
        ask(Map.of("command", "release-export", "name", there, "client", client, "moved", true));
    away.clear();
    guest.await("so is the other one", () -> isMoved(gone));
    awaitNothingToSay();
    assertThat(isMoved(there)).as("a person has said otherwise since").isFalse();
  }

  @ParameterizedTest
  @CsvSource({"a,b", "b,a"})
  void aLegIsToldThatTheDiskHasComeWhileTheOtherIsAway(String gone, String there) throws Exception {
    guest.startGuest(guest.make("file", "plain"));
    guest.write(3);
    notesNothing = true;
    guest.swap(BOTH, Map.of("pivot", "manual"));
    awaitSync();
    away.add("netchannel://store/" + gone);
    guest.job("pivot");
    guest.await("the XML names both", () -> guest.named().equals(BOTH));
    assertThat(moved()).as("parts of a copy").isEqualTo(2);
    guest.endGuest();
    notesNothing = false;
    guest.await("the one that is there is told", () -> !isMoved(there));
    assertThat(isMoved(gone)).isTrue();
    away.clear();
    guest.await("so is the other one", () -> !isMoved(gone));
  }

  /** Its daemon has ended, and so has its guest. */
  @ParameterizedTest
  @CsvSource({"a,b", "b,a"})
  void aLegOfASwapIsGivenFreeWhileTheOtherIsAway(String gone, String there) throws Exception {
    guest.startGuest(guest.make("file", "plain"));
    guest.write(3);
    guest.swap(BOTH, Map.of("pivot", "manual"));
    awaitSync();
    assertThat(inUse()).isEqualTo(2);
    away.add("netchannel://store/" + gone);
    guest.restartDaemon(false);
    guest.await("the one that is there is free", () -> list(there, "clients").isEmpty());
    assertThat(list(gone, "clients")).isNotEmpty();
    away.clear();
    guest.await("so is the other one", () -> inUse() == 0);
    awaitNothingToSay();
  }

  /** Its guest may never ask for that again: who opens the disk knows what to make alike. */
  @Test
  void theNextDaemonOpensADiskWithWhatWasNotAnswered() throws Exception {
    guest.startGuest("held:" + guest.make("file", "plain").substring("file:".length()));
    guest.write(3);
    holds = true;
    GuestIo written = guest.beginWrite(4);
    guest.await("it is at the device", () -> !held.isEmpty());
    guest.host.stopDaemon();
    holds = false;
    guest.host.startDaemon();
    guest.ends(written);
    assertThat(left.orElseThrow().unanswered())
        .containsExactly(
            new Inheritance.Change(4L * SwappingHost.BLOCK, (long) SwappingHost.BLOCK));
    guest.verify();
    guest.endGuest();
  }

  @Test
  void theStatusHasTheMemoryOfSecondCopies() throws Exception {
    guest.startGuest(BOTH);
    awaitSync();
    assertThat(Json.object(Json.object(ask(Map.of("command", "status"))).get("mirrorMemory")))
        .containsEntry("users", 1)
        .containsKeys("budgetBytes", "inUseBytes", "waiting");
    guest.endGuest();
  }

  @Test
  void aDiskGetsASecondLegUnderItsGuest() throws Exception {
    guest.startGuest(A);
    guest.write(3);
    assertThat(add(B).get("source")).isEqualTo(BOTH);
    guest.write(4);
    awaitSync();
    guest.write(5);
    guest.verify();
    guest.await("the XML names both", () -> guest.named().equals(BOTH));
    assertThatThrownBy(() -> add("netchannel://store/c"))
        .hasMessageContainingAll("has two legs already, " + A + " and " + B, "drop one");
    guest.host.stopDaemon();
    guest.host.startDaemon();
    awaitSync();
    guest.verify();
    guest.endGuest();
    areAlike();
  }

  @Test
  void whatCannotBeALegChangesNothing() throws Exception {
    guest.startGuest(A);
    Files.write(directory.resolve("store/b.raw"), new byte[4096]);
    assertThatThrownBy(() -> add(B)).hasMessageContaining("expected a leg of at least");
    assertThatThrownBy(() -> add("netchannel://store/nothing"))
        .hasMessageContaining("no export named nothing");
    guest.write(3);
    guest.verify();
    assertThat(Json.objects(ask(Map.of("command", "mirrors")))).isEmpty();
    guest.endGuest();
    guest.startGuest(A);
    guest.verify();
  }

  @Test
  void aGuestGoesOnWithOneLeg() throws Exception {
    guest.startGuest(BOTH);
    guest.write(3);
    awaitSync();
    assertThatThrownBy(() -> drop("netchannel://store/c")).hasMessageContaining("is no leg");
    Map<String, Object> dropped = drop(B);
    assertThat(dropped.get("source")).isEqualTo(A);
    assertThat(dropped.get("dropped")).isEqualTo(B);
    guest.write(4);
    guest.verify();
    assertThat(Json.objects(ask(Map.of("command", "mirrors")))).isEmpty();
    guest.await("the XML names one", () -> guest.named().equals(A));
    assertThatThrownBy(() -> drop(A)).hasMessageContaining("no disk with two legs");
    guest.host.stopDaemon();
    guest.host.startDaemon();
    guest.write(5);
    guest.verify();
    guest.endGuest();
    assertThat(guest.refusedStart(BOTH)).contains("went on alone");
    guest.startGuest(A);
    guest.verify();
    guest.endGuest();
  }

  /** What is the disk already would be overwritten with itself, however it is called. */
  @Test
  void aDiskIsNotSwappedToItsOwnLeg() throws Exception {
    guest.startGuest(BOTH);
    awaitSync();
    for (String leg : List.of(A, "netchannel://STORE/a")) {
      assertThatThrownBy(() -> guest.swap(leg, Map.of()))
          .hasMessageContaining("`netchannel mirror drop web1 xvdb %s`", B);
    }
    assertThatThrownBy(
            () -> guest.swap("mirror:netchannel://hosta/c,netchannel://hostb/c", Map.of()))
        .hasMessageContainingAll("two others", "`netchannel mirror add web1 xvdb`");
    guest.write(3);
    guest.verify();
    drop(B);
    guest.await("the XML names one", () -> guest.named().equals(A));
    assertThatThrownBy(() -> guest.swap("mirror:netchannel://STORE/a," + B, Map.of()))
        .hasMessageContaining("`netchannel mirror add`");
    guest.endGuest();
  }

  /** The disk goes elsewhere, and comes back to one of the exports that were its legs. */
  @Test
  void aFormerLegIsADiskAgain() throws Exception {
    Path plain = directory.resolve("plain.raw");
    Files.write(plain, new byte[(int) SwappingHost.SIZE]);
    guest.startGuest(BOTH);
    guest.write(3);
    awaitSync();
    for (String source : List.of("file:" + plain, A)) {
      guest.swap(source, Map.of());
      guest.await("it is " + source, () -> guest.isIn("done") && guest.named().equals(source));
      guest.write(4);
    }
    guest.endGuest();
    guest.startGuest(A);
    guest.verify();
    guest.endGuest();
  }

  private Map<String, Object> drop(String leg) throws ControlException {
    return Json.object(
        ask(
            Map.of(
                "command", "mirror",
                "action", "drop",
                "domain", "web1",
                "target", "xvdb",
                "source", leg)));
  }

  private Map<String, Object> add(String leg) throws ControlException {
    return Json.object(
        ask(
            Map.of(
                "command", "mirror",
                "action", "add",
                "domain", "web1",
                "target", "xvdb",
                "source", leg)));
  }
}
