package io.netchannel.device.usb.filter;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.DeviceException;
import io.netchannel.device.SourceFilter;
import io.netchannel.device.SourceOptions;
import io.netchannel.device.filter.FailureRule;
import io.netchannel.device.usb.ForwardingUsbDevice;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UrbType;
import io.netchannel.device.usb.UsbDevice;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ScheduledExecutorService;

/**
 * Fails URBs without sending them to the device: {@code
 * error:control=100,bulk=0.01,interrupt=1%,iso=0.1,kind=stall,seed=7}. Each type has a {@link
 * FailureRule}. {@code kind} is protocol (the default), stall or overflow. Isochronous ones go to
 * the device, as its frames pass whatever happens, and come back with all their packets failed.
 */
public final class UrbErrors extends ForwardingUsbDevice {
  static final List<String> OPTIONS =
      List.of("control", "bulk", "interrupt", "iso", "kind", "seed");

  private final ImmutableMap<UrbType, FailureRule> rules;
  private final UrbStatus failure;
  private final HeldUrbs failing;

  /**
   * In front of a device.
   *
   * @param rules by type
   * @param failure what a failed one, or its packets, end with
   * @param timer completes them; shared with others
   */
  public UrbErrors(
      UsbDevice device,
      ImmutableMap<UrbType, FailureRule> rules,
      UrbStatus failure,
      ScheduledExecutorService timer) {
    super(device);
    this.rules = rules;
    this.failure = failure;
    failing =
        new HeldUrbs(
            device,
            timer,
            (urb, incarnation, completion) -> {
              urb.done(outcome(incarnation), 0);
              return true;
            });
  }

  /** Reads the options of the text form. */
  public static SourceFilter<UsbDevice> parse(String text, ScheduledExecutorService timer)
      throws DeviceException {
    SourceOptions options = new SourceOptions("filter error", text, OPTIONS);
    Random random = new Random(options.number("seed", 0));
    ImmutableMap<UrbType, FailureRule> rules =
        ImmutableMap.of(
            UrbType.CONTROL, FailureRule.of("error", options, "control", random),
            UrbType.BULK, FailureRule.of("error", options, "bulk", random),
            UrbType.INTERRUPT, FailureRule.of("error", options, "interrupt", random),
            UrbType.ISOCHRONOUS, FailureRule.of("error", options, "iso", random));
    String kind = options.text("kind").orElse("protocol");
    UrbStatus failure =
        switch (kind) {
          case "protocol" -> UrbStatus.PROTOCOL;
          case "stall" -> UrbStatus.STALL;
          case "overflow" -> UrbStatus.OVERFLOW;
          default ->
              throw new DeviceException(
                  "filter error: kind=%s is unknown; known are protocol, stall and overflow"
                      .formatted(kind));
        };
    return device -> new UrbErrors(device, rules, failure, timer);
  }

  @Override
  public void submit(Urb urb, int incarnation, UrbCompletion completion) {
    if (!fails(urb.type())) {
      device.submit(urb, incarnation, completion);
    } else if (urb.type() == UrbType.ISOCHRONOUS) {
      device.submit(
          urb,
          incarnation,
          done -> {
            failPackets(done);
            completion.complete(done);
          });
    } else {
      failing.hold(urb, incarnation, completion, 0);
    }
  }

  private synchronized boolean fails(UrbType type) {
    return rules.get(type).fails();
  }

  private UrbStatus outcome(int incarnation) {
    PortState port = port();
    boolean isThere = port.plugged().isPresent() && port.incarnation() == incarnation;
    return isThere ? failure : UrbStatus.NO_DEVICE;
  }

  private void failPackets(Urb urb) {
    for (int i = 0; i < urb.packets(); i++) {
      urb.packetDone(i, 0, failure);
    }
    urb.frames(urb.startFrame(), urb.packets());
    urb.done(urb.status(), 0);
  }

  @Override
  public void unlink(Urb urb) {
    failing.unlink(urb);
  }

  @Override
  public CompletableFuture<UrbStatus> reset() {
    failing.cancelAll();
    return device.reset();
  }

  @Override
  public void listen(PortListener listener) {
    device.listen(failing.before(listener));
  }

  @Override
  public void close() {
    failing.letGo();
    super.close();
  }
}
