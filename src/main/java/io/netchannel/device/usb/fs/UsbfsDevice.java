package io.netchannel.device.usb.fs;

import com.google.common.util.concurrent.Uninterruptibles;
import io.netchannel.device.DeviceException;
import io.netchannel.device.ErrorLog;
import io.netchannel.device.usb.DescriptorLoop;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.threads.LastResort;
import java.io.IOException;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What is at a port of this host, or a device of it wherever it is plugged. One thread is its own;
 * states are in the package's description.
 */
public final class UsbfsDevice implements UsbDevice {
  private static final Logger log = LoggerFactory.getLogger(UsbfsDevice.class);

  /** So often it is looked at who is not told: one who is held back by another program. */
  private static final int LOOK_MILLIS = 2_000;

  /** How soon again at one that the kernel has not configured yet. */
  private static final int SOON_MILLIS = 100;

  /** Then the kernel will not: it found no configuration that it wants, and a guest may. */
  private static final int UNCONFIGURED_LOOKS = 20;

  /**
   * The host, as all its devices need it.
   *
   * @param nanoTime holds back repeated errors in the log
   */
  record Host(
      DeviceFinder finder,
      HotPlug hotPlug,
      Usbfs.Opener opener,
      UsbfsMemory memory,
      LongSupplier nanoTime) {}

  /**
   * What is plugged now.
   *
   * @param device null for nothing
   */
  private record Place(int incarnation, PluggedDevice device) {}

  private final UsbSource source;
  private final Host host;
  private final ErrorLog errors;
  private final Completions completions;
  private final Thread thread;
  private final HotPlug.Registration registration;

  private volatile Place place = new Place(0, null);
  private volatile PortListener listener = () -> {};
  private volatile Optional<String> refusal = Optional.empty();
  private volatile boolean managed;

  /** Where completions are told; null for the device's thread. */
  private volatile DescriptorLoop loop;

  /** Of the device's thread. */
  private int unconfiguredLooks;

  /** Has one when there is something to look at: that is enough. */
  private final BlockingQueue<Boolean> wakes = new ArrayBlockingQueue<>(1);

  /** Guarded by this. */
  private boolean closing;

  private UsbfsDevice(UsbSource source, Host host) {
    this.source = source;
    this.host = host;
    completions = new Completions(source);
    managed = source.isManaged();
    errors = new ErrorLog(log, host.nanoTime());
    thread = LastResort.vital(source.toString(), this::run);
    registration = host.hotPlug().listen(this::wake);
  }

  /**
   * Opens it; nothing need be plugged.
   *
   * @throws DeviceException when what is plugged cannot be had
   */
  static UsbfsDevice open(UsbSource source, Host host) throws DeviceException {
    UsbfsDevice device = new UsbfsDevice(source, host);
    try {
      device.plug();
    } catch (DeviceException | RuntimeException e) {
      device.registration.close();
      throw e;
    }
    device.thread.start();
    return device;
  }

  @Override
  public PortState port() {
    Place now = place;
    return new PortState(
        now.incarnation(), Optional.ofNullable(now.device()).map(PluggedDevice::plugged));
  }

  @Override
  public void listen(PortListener newListener) {
    listener = newListener;
    newListener.portChanged();
  }

  @Override
  public void submit(Urb urb, int incarnation, UrbCompletion completion) {
    Place now = place;
    boolean taken =
        now.device() != null
            && now.incarnation() == incarnation
            && now.device().submit(urb, completion);
    if (!taken) {
      urb.done(UrbStatus.NO_DEVICE, 0);
      completions.add(urb, completion);
      wake();
    }
  }

  @Override
  public void unlink(Urb urb) {
    PluggedDevice device = place.device();
    if (device != null) {
      device.unlink(urb);
    }
  }

  @Override
  public CompletableFuture<UrbStatus> reset() {
    PluggedDevice device = place.device();
    return device == null ? CompletableFuture.completedFuture(UrbStatus.NO_DEVICE) : device.reset();
  }

  @Override
  public void completeOn(DescriptorLoop newLoop) {
    loop = newLoop;
    wake();
  }

  /** A kernel driver that had it meanwhile would be cut off when its user comes again. */
  @Override
  public void keepPlace() {
    managed = false;
  }

  @Override
  public Optional<String> problem() {
    PluggedDevice device = place.device();
    return device == null ? refusal : device.problem();
  }

  @Override
  public void close() {
    synchronized (this) {
      closing = true;
    }
    registration.close();
    PluggedDevice device = place.device();
    if (device != null) {
      device.end();
    }
    wake();
    Uninterruptibles.joinUninterruptibly(thread);
  }

  private void wake() {
    var unused = wakes.offer(true);
    PluggedDevice device = place.device();
    if (device != null) {
      device.wake();
    }
  }

  // ---- the device's thread

  private void run() {
    while (place.device() != null || !isClosing()) {
      PluggedDevice device = place.device();
      if (device != null) {
        device.run(() -> managed); // also one that is to end at once
        place = new Place(place.incarnation(), null);
        if (!isClosing()) {
          log.info("{}: unplugged", source);
          listener.portChanged();
        }
      } else {
        completions.tell();
        look();
      }
    }
    completions.end();
  }

  private synchronized boolean isClosing() {
    return closing;
  }

  /** Waits, but not for ever, and looks for what was plugged. */
  private void look() {
    try {
      var unused =
          wakes.poll(unconfiguredLooks > 0 ? SOON_MILLIS : LOOK_MILLIS, TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      throw new IllegalStateException("interrupted, by nobody who may", e);
    }
    if (isClosing()) {
      return;
    }
    try {
      plug();
      if (place.device() != null) {
        listener.portChanged();
      }
    } catch (DeviceException e) {
      if (!refusal.equals(Optional.of(e.getMessage()))) {
        log.warn("{}: {}; tried again and again", source, e.getMessage());
      }
      refusal = Optional.of(e.getMessage());
    }
  }

  /** Claims what is meant, if it is there. */
  private void plug() throws DeviceException {
    Optional<HostUsbDevice> found;
    try {
      found = source.choose(host.finder().list());
    } catch (IOException e) {
      throw new DeviceException("the USB devices of this host cannot be listed: " + e, e);
    }
    if (found.isEmpty()) {
      refusal = Optional.empty();
      unconfiguredLooks = 0;
      return;
    }
    if (found.get().configuration() == 0 && unconfiguredLooks++ < UNCONFIGURED_LOOKS) {
      return; // the node comes before the kernel has configured it
    }
    unconfiguredLooks = 0;
    PluggedDevice device = claim(found.get());
    refusal = Optional.empty();
    place = new Place(place.incarnation() + 1, device);
    log.info("{}: {} is plugged", source, found.get());
    synchronized (this) {
      if (closing) {
        device.end(); // whoever closes may have looked before it was there
      }
    }
  }

  private PluggedDevice claim(HostUsbDevice found) throws DeviceException {
    if (found.isInUseByProgram()) { // seen before the kernel's drivers of the rest are bothered
      throw notClaimed(found, Errno.EBUSY);
    }
    Usbfs usbfs = host.opener().open(found);
    Claims claims = new Claims(usbfs);
    int result = claims.claimAll(found.descriptors().interfaceNumbers(found.configuration()));
    if (result < 0) {
      if (managed) {
        claims.giveBackAll();
      }
      usbfs.close();
      throw notClaimed(found, -result);
    }
    return new PluggedDevice(found, usbfs, claims, completions, host.memory(), errors, () -> loop);
  }

  private static DeviceException notClaimed(HostUsbDevice found, int errno) {
    return new DeviceException(
        errno == Errno.EBUSY
            ? "%s is in use by another guest or program of this host (EBUSY): end that use first; fuser -v %s tells whose it is"
                .formatted(found, found.node())
            : "%s cannot be claimed: %s".formatted(found, LinuxUsbfs.describe(errno)));
  }
}
