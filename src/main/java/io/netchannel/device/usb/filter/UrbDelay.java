package io.netchannel.device.usb.filter;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.DeviceException;
import io.netchannel.device.SourceFilter;
import io.netchannel.device.SourceOptions;
import io.netchannel.device.filter.Jitter;
import io.netchannel.device.usb.ForwardingUsbDevice;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UrbType;
import io.netchannel.device.usb.UsbDevice;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ScheduledExecutorService;

/**
 * Holds URBs back before they reach the device, as a slow way to it does: {@code
 * delay:control=10ms,bulk=20ms,interrupt=5ms,iso=1ms,jitter=2ms,seed=7}. {@code jitter} adds a
 * random time up to its value to each delay that is set; still those of one endpoint keep their
 * order. What is held when it is closed goes to the device at once, and is ended by that.
 */
public final class UrbDelay extends ForwardingUsbDevice {
  static final List<String> OPTIONS =
      List.of("control", "bulk", "interrupt", "iso", "jitter", "seed");

  private final ImmutableMap<UrbType, Duration> delays;
  private final Jitter jitter;
  private final HeldUrbs held;

  /**
   * In front of a device.
   *
   * @param delays by type; none or zero lets one pass at once
   * @param timer shared with others; ended after all devices
   */
  public UrbDelay(
      UsbDevice device,
      ImmutableMap<UrbType, Duration> delays,
      Jitter jitter,
      ScheduledExecutorService timer) {
    super(device);
    this.delays = delays;
    this.jitter = jitter;
    held =
        new HeldUrbs(
            device,
            timer,
            (urb, incarnation, completion) -> {
              device.submit(urb, incarnation, completion);
              return false;
            });
  }

  /** Reads the options of the text form. */
  public static SourceFilter<UsbDevice> parse(String text, ScheduledExecutorService timer)
      throws DeviceException {
    SourceOptions options = new SourceOptions("filter delay", text, OPTIONS);
    ImmutableMap<UrbType, Duration> delays =
        ImmutableMap.of(
            UrbType.CONTROL, options.duration("control"),
            UrbType.BULK, options.duration("bulk"),
            UrbType.INTERRUPT, options.duration("interrupt"),
            UrbType.ISOCHRONOUS, options.duration("iso"));
    Duration most = options.duration("jitter");
    long seed = options.number("seed", 0);
    return device -> new UrbDelay(device, delays, new Jitter(new Random(seed), most), timer);
  }

  @Override
  public void submit(Urb urb, int incarnation, UrbCompletion completion) {
    Duration delay = delays.getOrDefault(urb.type(), Duration.ZERO);
    if (delay.isZero()) {
      device.submit(urb, incarnation, completion);
    } else {
      held.hold(urb, incarnation, completion, delay.toNanos() + jitter.nextNanos());
    }
  }

  @Override
  public void unlink(Urb urb) {
    held.unlink(urb);
  }

  @Override
  public CompletableFuture<UrbStatus> reset() {
    held.cancelAll();
    return device.reset();
  }

  @Override
  public void listen(PortListener listener) {
    device.listen(held.before(listener));
  }

  @Override
  public void close() {
    held.letGo();
    super.close();
  }
}
