package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.DeviceKind;
import io.netchannel.device.DeviceOpener;
import io.netchannel.device.Outcome;
import io.netchannel.vdevice.block.DiskName;
import io.netchannel.vdevice.block.frontend.Blkfront;
import io.netchannel.vdevice.block.frontend.BlkfrontOptions;
import io.netchannel.vdevice.block.frontend.GuestIo;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Mid-points that end by an error, and disks whose storage hangs: what becomes of their guests. */
@Timeout(120)
final class SupervisionTest {
  private static final Duration BOUND = Duration.ofSeconds(60);
  private static final int XVDB = DiskName.devid("xvdb");
  private static final UUID FIRST = new UUID(1, 1);
  private static final UUID SECOND = new UUID(1, 2);

  @TempDir private Path directory;
  private final HungStorage hung = new HungStorage();
  private final AtomicInteger errorsLeft = new AtomicInteger();
  private EmulatedHost host;

  /** Ends the thread of whoever writes to it, as often as errors are left. */
  private final class Brittle implements Device {
    @Override
    public DeviceGeometry geometry() {
      return new DeviceGeometry(1 << 20, 512, 512, false, true, false, 0, false);
    }

    @Override
    public void read(long offsetBytes, ByteBuffer data, Completion completion) {
      completion.complete(Outcome.OK);
    }

    @Override
    public void write(long offsetBytes, ByteBuffer data, Completion completion) {
      if (errorsLeft.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
        throw new StackOverflowError("of a test");
      }
      completion.complete(Outcome.OK);
    }

    @Override
    public void flush(Completion completion) {
      completion.complete(Outcome.OK);
    }

    @Override
    public void discard(long offsetBytes, long lengthBytes, Completion completion) {
      completion.complete(Outcome.OK);
    }

    @Override
    public void close() {}
  }

  @BeforeEach
  void start() throws Exception {
    DeviceKind brittle = (text, options) -> new Brittle();
    host =
        new EmulatedHost(
            "hosta",
            directory,
            ImmutableMap.of(),
            new DeviceOpener(true, ImmutableMap.of("brittle", brittle, "hung", hung)));
    host.startDaemon();
  }

  @AfterEach
  void close() {
    hung.heal();
    host.close();
  }

  private static void await(String what, Blkfront guest, BooleanSupplier condition) {
    await(
        what,
        () -> {
          guest.poll();
          return condition.getAsBoolean();
        });
  }

  private static void await(String what, BooleanSupplier condition) {
    long deadline = System.nanoTime() + BOUND.toNanos();
    while (!condition.getAsBoolean()) {
      assertThat(System.nanoTime()).as("waiting for: " + what).isLessThan(deadline);
      LockSupport.parkNanos(Duration.ofMillis(1).toNanos());
    }
  }

  private EmbeddedDomain started(String name, UUID uuid, String source) {
    String disk = "<n:disk target='xvdb' source='" + source + "'/>";
    host.hookOk(name, "prepare", "begin", EmulatedHost.xml(name, uuid, null, disk));
    host.hookOk(name, "start", "begin", EmulatedHost.xml(name, uuid, null, disk));
    EmbeddedDomain domain = host.createDomain(name, uuid);
    host.hookOk(name, "started", "begin", EmulatedHost.xml(name, uuid, domain, disk));
    domain.unpause();
    return domain;
  }

  private Blkfront connected(EmbeddedDomain domain) {
    Blkfront guest = new Blkfront(domain, XVDB, BlkfrontOptions.DEFAULT, () -> {});
    await("connection", guest, () -> guest.connection() == Blkfront.Connection.CONNECTED);
    return guest;
  }

  private static GuestIo write(Blkfront guest, int index) {
    return guest.write(index * 4096L, ByteBuffer.allocate(4096), done -> {});
  }

  private Map<String, Object> device() throws ControlException {
    Object devices = host.daemon().control().handle(Map.of("command", "devices"));
    return Json.object(((List<?>) devices).get(0));
  }

  private String stateNow() {
    try {
      return String.valueOf(device().get("state"));
    } catch (ControlException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void aGuestGoesOnAfterItsMidPointEndedByAnError() throws Exception {
    Blkfront guest = connected(started("g1", FIRST, "brittle:x"));
    long generation = (Long) device().get("generation");
    errorsLeft.set(2);
    GuestIo write = write(guest, 1);
    await("the answer", guest, write::isDone);
    assertThat(errorsLeft).hasValue(0);
    GuestIo next = write(guest, 2);
    await("the next answer", guest, next::isDone);
    assertThat(device())
        .containsEntry("state", "serving")
        .containsEntry("generation", generation)
        .containsEntry("restarts", 2)
        .containsEntry("problem", null);
  }

  @Test
  void oneThatEndsAgainAndAgainIsFailedWithTheReason() throws Exception {
    Blkfront guest = connected(started("g1", FIRST, "brittle:x"));
    errorsLeft.set(Integer.MAX_VALUE);
    GuestIo write = write(guest, 1);
    await("FAILED", guest, () -> stateNow().equals("failed"));
    assertThat(write.isDone()).isFalse();
    assertThat(device().get("problem").toString()).contains("3 times").contains("restart");
    Object status = host.daemon().control().handle(Map.of("command", "status"));
    assertThat(Json.object(status).get("waiting").toString())
        .contains("g1")
        .contains("ended by an error 3 times");
    // What is given to it ends at once, and the guest can neither move nor lose the disk so.
    assertThat(host.daemon().devices().devicesOf(FIRST)).hasSize(1);
    assertThat(host.daemon().devices().seal(FIRST, "xvdb", BOUND, 0, known -> {}))
        .failsWithin(Duration.ZERO);
    errorsLeft.set(0);
    host.startDaemon();
    await("the answer after the restart", guest, write::isDone);
  }

  @Test
  void aLookAtADomainThatFailsIsRepeated() throws Exception {
    EmbeddedDomain domain = started("g1", FIRST, "brittle:x");
    Blkfront guest = connected(domain);
    await("the answer", guest, write(guest, 1)::isDone);
    host.store().fail(2);
    host.store().remove(Guest.path(domain.domid())); // what tells of it comes once
    domain.destroy();
    await("the failures", () -> host.store().failuresLeft() == 0);
    await("its disk to be gone", () -> host.daemon().midPoints().ofDomain(FIRST).isEmpty());
    assertThat(host.leftovers()).isEmpty();
  }

  @Test
  void storageThatHangsHoldsUpNoOtherGuest() throws Exception {
    EmbeddedDomain first = started("g1", FIRST, "hung:x");
    Blkfront guest = connected(first);
    GuestIo stuck = write(guest, 1);
    await("a hung request", guest, () -> hung.hangs.getCount() == 0);
    first.destroy();
    CompletableFuture<Void> ended =
        CompletableFuture.runAsync(() -> host.daemon().guests().endDomain(first.domid()));
    await(
        "its end to begin",
        () ->
            host.daemon().midPoints().all().stream()
                .anyMatch(disk -> disk.guest().domid() == first.domid() && disk.isEnding()));
    EmbeddedDomain second = started("g2", SECOND, "brittle:x");
    Blkfront other = connected(second);
    await("its answer", other, write(other, 1)::isDone);
    second.destroy();
    host.daemon().guests().endDomain(second.domid());
    assertThat(host.daemon().midPoints().ofDomain(SECOND)).isEmpty();
    assertThat(host.daemon().midPoints().ofDomain(FIRST)).hasSize(1);
    assertThat(stuck.isDone()).isFalse();
    hung.heal();
    ended.get(BOUND.toSeconds(), TimeUnit.SECONDS);
    assertThat(host.daemon().midPoints().ofDomain(FIRST)).isEmpty();
  }
}
