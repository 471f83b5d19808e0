package io.netchannel.device.usb.shared;

import static io.netchannel.device.usb.shared.ManualDevice.IN;
import static io.netchannel.device.usb.shared.ManualDevice.OUT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import io.netchannel.device.DeviceException;
import io.netchannel.device.usb.DescriptorLoop;
import io.netchannel.device.usb.EmptyPort;
import io.netchannel.device.usb.ForwardingUsbDevice;
import io.netchannel.device.usb.Transfer;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbKind;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.device.usb.UsbOpenOptions.User;
import io.netchannel.device.usb.VirtualTime;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Who owns a device that several have open. */
@Timeout(60)
final class SharedDevicesTest {
  private static final String USER = "6b0f/usb1";
  private static final int LONG_SECONDS = 30;

  private final VirtualTime time = new VirtualTime();
  private final List<ManualDevice> opened = new ArrayList<>();
  private final UsbKind kind = around(this::open);

  private UsbKind around(UsbKind manual) {
    return new SharedDevices(time, time::nanoTime).around("manual", manual);
  }

  private UsbDevice open(String text, UsbOpenOptions options) {
    opened.add(new ManualDevice(ManualDevice.VENDOR, time));
    return opened.get(opened.size() - 1);
  }

  private UsbDevice open(long generation) throws DeviceException {
    return kind.open("it", UsbOpenOptions.of(new User(USER, generation)));
  }

  private ManualDevice device() {
    assertThat(opened).hasSize(1);
    return opened.get(0);
  }

  private Transfer submit(UsbDevice to, Transfer transfer) {
    transfer.submitTo(to, to.port().incarnation());
    time.run();
    return transfer;
  }

  private Transfer out(UsbDevice to) {
    return submit(to, Transfer.bulk(OUT, new byte[8]));
  }

  private Transfer in(UsbDevice to) {
    return submit(to, Transfer.interrupt(IN, new byte[8]));
  }

  @Test
  void aDeviceGoesToTheNextOwnerAndBackWithoutBeingClosed() throws Exception {
    UsbDevice home = open(1);
    UsbDevice away = open(2);
    assertThat(away.port()).as("no replug").isEqualTo(home.port());
    assertThat(out(home).status()).isEqualTo(UrbStatus.NO_DEVICE);
    assertThat(device().held()).isZero();
    Transfer first = out(away);
    device().complete(UrbStatus.OK);
    assertThat(first.status()).isEqualTo(UrbStatus.OK);
    assertThat(home.problem()).hasValueSatisfying(why -> assertThat(why).contains("generation 2"));
    assertThat(away.problem()).isEmpty();

    home.useGeneration(3);
    assertThat(out(away).status()).isEqualTo(UrbStatus.NO_DEVICE);
    assertThat(away.reset().join()).isEqualTo(UrbStatus.NO_DEVICE);
    Transfer back = out(home);
    away.close();
    device().complete(UrbStatus.OK);
    assertThat(back.status()).isEqualTo(UrbStatus.OK);
    assertThat(device().calls).isEmpty();
    home.close();
    assertThat(device().calls).containsExactly("close");
  }

  @Test
  void completionsAreToldWhereTheOwnerWantsThem() throws Exception {
    DescriptorLoop ofHome = (descriptor, watcher) -> null;
    DescriptorLoop ofAway = (descriptor, watcher) -> null;
    UsbDevice home = open(1);
    home.completeOn(ofHome);
    assertThat(device().loop).isSameAs(ofHome);
    UsbDevice away = open(2);
    assertThat(device().loop).as("the next one has named none").isNull();
    away.completeOn(ofAway);
    home.completeOn(ofHome);
    assertThat(device().loop).as("it is not home's").isSameAs(ofAway);
    home.useGeneration(3);
    assertThat(device().loop).as("named before").isSameAs(ofHome);
    away.close();
    assertThat(device().loop).isSameAs(ofHome);
    UsbDevice last = open(4);
    last.completeOn(ofAway);
    last.close();
    assertThat(device().loop).as("nobody's").isNull();
    home.close();
  }

  @Test
  void whatTheOwnerBeforeHadEndsBeforeTheNextOneBegins() throws Exception {
    UsbDevice home = open(1);
    Transfer before = in(home);
    UsbDevice away = open(2);
    assertThat(device().isFirstUnlinked()).isTrue();
    Transfer after = in(away);
    CompletableFuture<UrbStatus> reset = away.reset();
    Transfer last = out(away);
    assertThat(after.status()).as("a reset unlinks it").isEqualTo(UrbStatus.CANCELLED);
    assertThat(device().held()).isEqualTo(1);
    assertThat(device().calls).isEmpty();
    device().complete(UrbStatus.CANCELLED);
    assertThat(before.status()).isEqualTo(UrbStatus.CANCELLED);
    assertThat(device().held()).as("not on the thread that tells it").isZero();
    time.run();
    assertThat(device().calls).containsExactly("reset");
    assertThat(reset.join()).isEqualTo(UrbStatus.OK);
    assertThat(last.isDone()).isFalse();
    device().complete(UrbStatus.OK);
    assertThat(last.status()).isEqualTo(UrbStatus.OK);
  }

  @Test
  void whatWaitsForThatIsUnlinkedWhereItWaits() throws Exception {
    UsbDevice home = open(1);
    in(home);
    UsbDevice away = open(2);
    Transfer waits = out(away);
    away.unlink(waits.urb);
    time.run();
    assertThat(waits.status()).isEqualTo(UrbStatus.CANCELLED);
    device().complete(UrbStatus.CANCELLED);
    time.run();
    assertThat(device().held()).isZero();
  }

  /** Of three there is one owner at each moment, and the one before the last never gets it back. */
  @Test
  void theNewestOfSeveralOwnsIt() throws Exception {
    UsbDevice first = open(1);
    Transfer one = out(first);
    UsbDevice second = open(2);
    Transfer two = out(second);
    UsbDevice third = open(3);
    assertThat(two.isDone()).isFalse();
    time.run();
    assertThat(two.status()).as("it never got there").isEqualTo(UrbStatus.CANCELLED);
    Transfer three = out(third);
    assertThat(device().held()).isEqualTo(1);
    device().complete(UrbStatus.OK); // it was done before its end was asked for
    time.run();
    assertThat(one.status()).isEqualTo(UrbStatus.OK);
    second.useGeneration(3);
    assertThat(out(second).status()).isEqualTo(UrbStatus.NO_DEVICE);
    device().complete(UrbStatus.OK);
    assertThat(three.status()).isEqualTo(UrbStatus.OK);
    third.close();
    assertThat(out(second).status()).as("nobody's").isEqualTo(UrbStatus.NO_DEVICE);
    second.useGeneration(4);
    out(second);
    assertThat(device().held()).isEqualTo(1);
  }

  /** What a session of the server has goes on under its next generation. */
  @Test
  void anOwnerThatUsesANewerGenerationKeepsItsUrbs() throws Exception {
    UsbDevice owner = open(1);
    Transfer goesOn = in(owner);
    owner.useGeneration(2);
    assertThat(device().isFirstUnlinked()).isFalse();
    device().complete(UrbStatus.OK, 7);
    assertThat(goesOn.data()).containsExactly(7);
    assertThatThrownBy(() -> open(1))
        .isInstanceOf(DeviceException.class)
        .hasMessage("manual:it: generation 1 is over, it is used with generation 2");
    assertThat(kind.newestGeneration("it", USER)).isEqualTo(2);
    assertThat(kind.newestGeneration("it", "another")).isZero();
  }

  @Test
  void anotherUserHasAnotherDevice() throws Exception {
    UsbDevice one = open(1);
    UsbDevice other = kind.open("it", UsbOpenOptions.of(new User("another", 7)));
    UsbDevice tool = kind.open("it", UsbOpenOptions.PLAIN);
    assertThat(opened).hasSize(3);
    out(one);
    out(other);
    out(tool);
    assertThat(opened).allMatch(device -> device.held() == 1);
    tool.close();
    assertThat(opened.get(2).calls).containsExactly("close");
    assertThat(opened.get(0).calls).isEmpty();
  }

  @Test
  void whoOnlyLooksSeesWhatIsOpenAndOpensNothing() throws Exception {
    UsbDevice owner = open(1);
    UsbOpenOptions look = new UsbOpenOptions(Optional.of(new User(USER, 1)), true);
    try (UsbDevice looked = kind.open("it", look)) {
      assertThat(looked.port()).isEqualTo(owner.port());
    }
    assertThat(device().calls).isEmpty();
    out(owner);
    assertThat(device().held()).isEqualTo(1);
  }

  @Test
  void theLastOneSaysWhetherThePlaceIsKept() throws Exception {
    UsbDevice home = open(1);
    UsbDevice away = open(2);
    away.keepPlace();
    away.close();
    away.close();
    home.close();
    assertThat(device().calls).containsExactly("close");
    UsbDevice again = open(1);
    again.keepPlace();
    again.close();
    assertThat(opened.get(1).calls).containsExactly("keepPlace", "close");
  }

  /** Whoever closes it uses the memory of its URBs for something else then. */
  @Test
  void aCloseWaitsForWhatItsHolderHas() throws Exception {
    UsbDevice home = open(1);
    Transfer waits = in(home);
    UsbDevice away = open(2);
    assertThat(away.port().plugged()).isPresent();
    CompletableFuture<Void> closed = new CompletableFuture<>();
    Thread closer =
        new Thread(
            () -> {
              home.close();
              assertThat(waits.isDone()).isTrue();
              closed.complete(null);
            });
    closer.start();
    while (closer.getState() != Thread.State.WAITING) {
      Thread.onSpinWait();
    }
    assertThat(closed).isNotDone();
    device().complete(UrbStatus.CANCELLED);
    closed.get(LONG_SECONDS, TimeUnit.SECONDS);
    assertThat(device().calls).isEmpty();
  }

  @Test
  void whoComesWhileItIsClosedWaitsAndOpensItAnew() throws Exception {
    CountDownLatch closes = new CountDownLatch(1);
    CountDownLatch mayClose = new CountDownLatch(1);
    UsbKind slow =
        around(
            (text, options) -> {
              ManualDevice device = new ManualDevice(ManualDevice.VENDOR, time);
              opened.add(device);
              return new ForwardingUsbDevice(device) {
                @Override
                public void close() {
                  closes.countDown();
                  try {
                    mayClose.await();
                  } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                  }
                  super.close();
                }
              };
            });
    UsbDevice first = slow.open("it", UsbOpenOptions.of(new User(USER, 5)));
    Thread closer = new Thread(first::close);
    closer.start();
    closes.await();
    CompletableFuture<UsbDevice> second = new CompletableFuture<>();
    Thread opener =
        new Thread(
            () -> {
              try {
                second.complete(slow.open("it", UsbOpenOptions.of(new User(USER, 1))));
              } catch (DeviceException e) {
                second.completeExceptionally(e);
              }
            });
    opener.start();
    while (opener.getState() != Thread.State.WAITING) {
      Thread.onSpinWait();
    }
    assertThat(opened).hasSize(1);
    mayClose.countDown();
    UsbDevice there = second.get(LONG_SECONDS, TimeUnit.SECONDS);
    assertThat(opened).hasSize(2);
    assertThat(opened.get(0).calls).containsExactly("close");
    out(there);
    assertThat(opened.get(1).held()).isEqualTo(1);
    closer.join();
  }

  @Test
  void whatCannotBeOpenedIsSaidAndTriedAgain() throws Exception {
    List<String> tries = new ArrayList<>();
    UsbKind broken =
        around(
            (text, options) -> {
              tries.add(text);
              if (tries.size() == 1) {
                throw new DeviceException("no such bus");
              }
              return open(text, options);
            });
    UsbOpenOptions options = UsbOpenOptions.of(new User(USER, 1));
    assertThatThrownBy(() -> broken.open("it", options)).hasMessage("no such bus");
    assertThat(broken.open("it", options).port().plugged()).isPresent();
  }

  /** All who have it are told, after what was for it has ended. */
  @Test
  void aReplugIsToldToAll() throws Exception {
    UsbDevice home = open(1);
    in(home);
    UsbDevice away = open(2);
    time.run();
    List<String> told = new ArrayList<>();
    Transfer waits = out(away);
    home.listen(() -> told.add("home"));
    away.listen(() -> told.add("away " + waits.isDone()));
    told.clear();
    device().replug();
    time.run();
    assertThat(told).containsOnly("home", "away true").hasSize(4);
    assertThat(waits.status()).isEqualTo(UrbStatus.NO_DEVICE);
    assertThat(home.port().incarnation()).isEqualTo(2).isEqualTo(away.port().incarnation());
  }

  /** A device that keeps one URB, and makes no object of it. */
  private static final class OneUrb extends EmptyPort {
    private Urb urb;
    private UrbCompletion completion;

    @Override
    public void submit(Urb submitted, int incarnation, UrbCompletion itsCompletion) {
      urb = submitted;
      completion = itsCompletion;
    }

    private void complete() {
      urb.done(UrbStatus.OK, 0);
      completion.complete(urb);
    }
  }

  @Test
  void aUrbMakesNoObjectOnItsWay() throws Exception {
    OneUrb one = new OneUrb();
    UsbDevice owner = around((text, options) -> one).open("it", UsbOpenOptions.PLAIN);
    Urb urb = new Urb();
    urb.interrupt(IN, ByteBuffer.allocateDirect(8), false, 0);
    int[] ends = new int[1];
    UrbCompletion completion = done -> ends[0]++;
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    int count = 16_384;
    long allocated = 0;
    for (int round = 0; round < 4; round++) { // the first ones warm it up
      long before = threads.getCurrentThreadAllocatedBytes();
      for (int i = 0; i < count; i++) {
        owner.submit(urb, 0, completion);
        one.complete();
      }
      allocated = threads.getCurrentThreadAllocatedBytes() - before;
    }
    assertThat(ends[0]).isEqualTo(4 * count);
    assertThat((double) allocated / count).as("bytes a URB").isLessThan(1);
  }
}
