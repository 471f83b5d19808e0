package io.netchannel.server;

import static io.netchannel.server.ServerHarness.QUICK;
import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableSet;
import io.netchannel.device.DeviceException;
import io.netchannel.device.RequestName;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.xen.Waiting;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A guest's USB device through everything that may happen to its session, at random: connections
 * that are cut in the middle of frames, URBs that are unlinked, take-overs with URBs under way,
 * servers that come again. Each OUT transfer is done once and in its order, the data of IN
 * transfers is the device's stream without gap or repeat, and each URB ends once. {@code
 * -Dnetchannel.seed=N} repeats the events of a run, though not how threads interleave.
 */
@Timeout(300)
final class UsbSimulationTest {
  private static final String USER = "6b0f/usb0";
  private static final int EVENTS = 30;
  private static final int MOST_ATTEMPTS = 50;
  private static final int[] ENDPOINTS = {
    RecordingUsb.BULK_OUT, RecordingUsb.OTHER_OUT, RecordingUsb.BULK_IN
  };

  /** Of an endpoint; all of them together are more than the slots. */
  private static final int DEPTH = 6;

  @TempDir private Path directory;
  private final long seed = Long.getLong("netchannel.seed", ThreadLocalRandom.current().nextLong());
  private final Random random = new Random(seed);
  private final Guest guest = new Guest();
  private ServerHarness host;
  private CuttingProxy proxy;
  private long generation = 1;

  @BeforeEach
  void start() throws Exception {
    System.out.println("-Dnetchannel.seed=" + seed);
    host = new ServerHarness(directory, seed).withUsb();
    proxy = new CuttingProxy(host.port(), host.executor, seed);
  }

  @AfterEach
  void stop() throws Exception {
    proxy.close();
    host.close();
  }

  @RepeatedTest(4)
  void everyTransferOnceThroughCutsAndTakeOvers() throws Exception {
    guest.begin(open(ImmutableSet.of()));
    for (int event = 0; event < EVENTS; event++) {
      guest.awaitMore(1 + random.nextInt(40));
      switch (random.nextInt(4)) {
        case 0 -> proxy.cutNow();
        case 1, 2 -> guest.unlinkOne();
        default -> guest.takeOver();
      }
    }
    proxy.heal();
    guest.finish();
    guest.check(false);
    assertThat(proxy.cuts.get()).isPositive();
  }

  /** What a server had in memory is lost with it: an error then, and never a second time. */
  @RepeatedTest(2)
  void noTransferTwiceThroughRestartsOfTheServer() throws Exception {
    guest.begin(open(ImmutableSet.of()));
    for (int event = 0; event < EVENTS / 3; event++) {
      guest.awaitMore(1 + random.nextInt(40));
      switch (random.nextInt(3)) {
        case 0 -> proxy.cutNow();
        case 1 -> guest.unlinkOne();
        default -> {
          host.stop();
          host.start();
        }
      }
    }
    proxy.heal();
    guest.finish();
    guest.check(true);
  }

  private UsbDevice open(ImmutableSet<RequestName> inherited) throws Exception {
    for (int attempt = 1; ; attempt++) {
      try {
        return host.openUsb(USER, generation, inherited, proxy.port(), QUICK);
      } catch (DeviceException e) {
        if (attempt == MOST_ATTEMPTS) {
          throw e;
        }
      }
    }
  }

  /** One URB of the guest. */
  private static final class Transfer {
    private final int endpoint;
    private final int bytes;

    /** Of its endpoint's, in the order in which the guest submits them. */
    private final int number;

    private final Urb urb = new Urb();
    private boolean left;
    private boolean unlinked;
    private UrbStatus status;
    private byte[] data = new byte[0];

    private Transfer(int endpoint, int bytes, int number) {
      this.endpoint = endpoint;
      this.bytes = bytes;
      this.number = number;
      ByteBuffer buffer = ByteBuffer.allocateDirect(bytes);
      if ((endpoint & Urb.IN) == 0) {
        buffer.putLong(0, number);
      }
      urb.bulk(endpoint, buffer, false);
    }

    /** The same for the next generation. */
    private Transfer again() {
      Transfer again = new Transfer(endpoint, bytes, number);
      again.unlinked = unlinked;
      return again;
    }
  }

  private final class Guest {
    // All below is guarded by this.
    private UsbDevice device;
    private boolean paused;
    private boolean finishing;
    private int ended;
    private final Map<Integer, List<Transfer>> all = new HashMap<>();
    private final List<Transfer> outstanding = new ArrayList<>();
    private final List<String> wrong = new ArrayList<>();

    private synchronized void begin(UsbDevice first) {
      device = first;
      goOn();
    }

    private void goOn() {
      if (paused || finishing) {
        return;
      }
      for (int endpoint : ENDPOINTS) {
        while (outstanding.stream().filter(each -> each.endpoint == endpoint).count() < DEPTH) {
          List<Transfer> before = all.computeIfAbsent(endpoint, each -> new ArrayList<>());
          int bytes = random.nextInt(8) == 0 ? Urb.MAX_DATA_BYTES : 8 + random.nextInt(3000);
          Transfer transfer = new Transfer(endpoint, bytes, before.size());
          before.add(transfer);
          submit(transfer);
        }
      }
    }

    private void submit(Transfer transfer) {
      outstanding.add(transfer);
      device.submit(transfer.urb, 1, urb -> ended(transfer));
    }

    private synchronized void ended(Transfer transfer) {
      if (transfer.left) {
        return; // the next generation asks for it
      }
      if (transfer.status != null) {
        wrong.add("ended twice: " + transfer.urb);
        return;
      }
      transfer.status = transfer.urb.status();
      if (transfer.urb.isIn()) {
        transfer.data = new byte[transfer.urb.actualBytes()];
        transfer.urb.data().get(transfer.urb.data().position(), transfer.data);
      }
      outstanding.remove(transfer);
      ended++;
      goOn();
    }

    private synchronized void unlinkOne() {
      if (!outstanding.isEmpty()) {
        Transfer some = outstanding.get(random.nextInt(outstanding.size()));
        some.unlinked = true;
        device.unlink(some.urb);
      }
    }

    /** As the mid-point that goes on for another one: what is under way stays under way. */
    private void takeOver() throws Exception {
      synchronized (this) {
        paused = true;
      }
      Map<Urb, RequestName> custody = device.custody().orElseThrow().get(30, TimeUnit.SECONDS);
      List<Transfer> under;
      synchronized (this) {
        under = List.copyOf(outstanding);
        under.forEach(each -> each.left = true);
        outstanding.clear();
      }
      device.relinquish();
      device.keepPlace();
      device.close();
      generation++;
      UsbDevice next = open(ImmutableSet.copyOf(custody.values()));
      synchronized (this) {
        device = next;
        for (Transfer each : under) {
          Transfer again = each.again();
          all.get(each.endpoint).set(each.number, again);
          RequestName name = custody.get(each.urb);
          if (name != null && device.takeUp(name, again.urb, urb -> ended(again))) {
            outstanding.add(again);
          } else {
            submit(again);
          }
        }
        paused = false;
        goOn();
      }
    }

    private void awaitMore(int more) {
      int before = ended();
      Waiting.until("URBs end", () -> ended() >= before + more);
    }

    private synchronized int ended() {
      return ended;
    }

    private void finish() {
      synchronized (this) {
        finishing = true;
      }
      Waiting.until("all have ended", this::isIdle);
    }

    private synchronized boolean isIdle() {
      return outstanding.isEmpty();
    }

    private synchronized void check(boolean mayFail) throws Exception {
      assertThat(wrong).as("seed %d", seed).isEmpty();
      for (int endpoint : ENDPOINTS) {
        for (Transfer each : all.get(endpoint)) {
          boolean isFine =
              each.status == UrbStatus.OK
                  || (each.status == UrbStatus.CANCELLED && each.unlinked)
                  || (each.status == UrbStatus.PROTOCOL && mayFail);
          assertThat(isFine).as("seed %d: %s %s", seed, each.urb, each.status).isTrue();
        }
        if ((endpoint & Urb.IN) == 0) {
          checkOut(endpoint, mayFail);
        } else if (!mayFail) {
          checkIn(endpoint);
        }
      }
      device.close();
    }

    private void checkOut(int endpoint, boolean mayFail) {
      List<Long> written = host.usb.written(endpoint);
      assertThat(written).as("seed %d", seed).isSorted().doesNotHaveDuplicates();
      for (Transfer each : all.get(endpoint)) {
        boolean mayBeDone = mayFail && each.status == UrbStatus.PROTOCOL;
        if (!mayBeDone) {
          assertThat(written.contains((long) each.number))
              .as("seed %d: %s, number %d, %s", seed, each.urb, each.number, each.status)
              .isEqualTo(each.status == UrbStatus.OK);
        }
      }
    }

    private void checkIn(int endpoint) throws Exception {
      ByteArrayOutputStream came = new ByteArrayOutputStream();
      for (Transfer each : all.get(endpoint)) {
        came.write(each.data);
      }
      byte[] bytes = came.toByteArray();
      assertThat((long) bytes.length).as("seed %d", seed).isEqualTo(host.usb.streamed());
      for (int i = 0; i < bytes.length; i++) {
        if (bytes[i] != RecordingUsb.streamByte(i)) {
          throw new AssertionError("seed " + seed + ": not the stream at byte " + i);
        }
      }
    }
  }
}
