package io.netchannel.midpoint.usb;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import io.netchannel.device.usb.Descriptors;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.PortState.Plugged;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbSpeed;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/** A device that does what a test tells it, when it tells it: all on the test's thread. */
final class ScriptedUsbDevice implements UsbDevice {
  /** A URB that is here. */
  record Submitted(Urb urb, int incarnation, UrbCompletion completion) {}

  final Gadget gadget;

  /** In the order of submission. */
  final List<Submitted> submitted = new ArrayList<>();

  final List<Urb> unlinked = new ArrayList<>();
  final List<CompletableFuture<UrbStatus>> resets = new ArrayList<>();
  boolean closed;
  private PortState port = PortState.EMPTY;
  private PortListener listener = () -> {};

  ScriptedUsbDevice(Gadget gadget) {
    this.gadget = gadget;
  }

  /** One where a device of full speed and of this class is plugged. */
  static ScriptedUsbDevice plugged(Gadget gadget, int usbClass) {
    ScriptedUsbDevice device = new ScriptedUsbDevice(gadget);
    device.plug(UsbSpeed.FULL, usbClass);
    return device;
  }

  void plug(UsbSpeed speed, int usbClass) {
    port =
        new PortState(
            port.incarnation() + 1,
            Optional.of(
                new Plugged(
                    speed,
                    descriptors(usbClass),
                    Optional.empty(),
                    1,
                    ImmutableMap.of(),
                    ImmutableSet.of())));
    listener.portChanged();
  }

  /** Somebody has set it to this configuration. */
  void configured(int configuration) {
    Plugged before = port.plugged().orElseThrow();
    port =
        new PortState(
            port.incarnation(),
            Optional.of(
                new Plugged(
                    before.speed(),
                    before.descriptors(),
                    before.serial(),
                    configuration,
                    before.alternates(),
                    before.halted())));
  }

  void unplug() {
    while (!submitted.isEmpty()) {
      complete(submitted.get(0), UrbStatus.NO_DEVICE, 0);
    }
    port = new PortState(port.incarnation(), Optional.empty());
    listener.portChanged();
  }

  /** A device with one interface, and the endpoints 0x81 and 0x02. */
  static Descriptors descriptors(int usbClass) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    int[] device = {18, 1, 0, 2, usbClass == 9 ? 9 : 0, 0, 0, 64, 9, 0x12, 3, 0, 0, 1, 0, 0, 0, 1};
    int[] configuration = {9, 2, 32, 0, 1, 1, 0, 0x80, 50};
    int[] interfaceOne = {9, 4, 0, 0, 2, usbClass, 0, 0, 0};
    int[] in = {7, 5, 0x81, 2, 64, 0, 0};
    int[] outEndpoint = {7, 5, 0x02, 2, 64, 0, 0};
    for (int[] part : List.of(device, configuration, interfaceOne, in, outEndpoint)) {
      for (int value : part) {
        out.write(value);
      }
    }
    return Descriptors.of(out.toByteArray());
  }

  /** Does the oldest URB, all of it. */
  void serveNext() {
    serve(submitted.get(0));
  }

  void serve(Submitted one) {
    gadget.serve(one.urb());
    completed(one);
  }

  void complete(Submitted one, UrbStatus status, int actualBytes) {
    one.urb().done(status, actualBytes);
    completed(one);
  }

  /** It is its owner's again, who may use it for another transfer. */
  private void completed(Submitted one) {
    submitted.remove(one);
    unlinked.remove(one.urb());
    one.completion().complete(one.urb());
  }

  Submitted next() {
    return submitted.get(0);
  }

  /** Those that are the first at their endpoint. */
  List<Submitted> firsts() {
    List<Submitted> firsts = new ArrayList<>();
    for (Submitted one : submitted) {
      if (firsts.stream().noneMatch(other -> key(other) == key(one))) {
        firsts.add(one);
      }
    }
    return firsts;
  }

  private static int key(Submitted one) {
    return one.urb().endpoint() == Urb.IN ? 0 : one.urb().endpoint();
  }

  @Override
  public PortState port() {
    return port;
  }

  @Override
  public void listen(PortListener newListener) {
    listener = newListener;
    newListener.portChanged();
  }

  @Override
  public void submit(Urb urb, int incarnation, UrbCompletion completion) {
    submitted.add(new Submitted(urb, incarnation, completion));
  }

  @Override
  public void unlink(Urb urb) {
    if (submitted.stream().anyMatch(one -> one.urb() == urb) && !unlinked.contains(urb)) {
      unlinked.add(urb);
    }
  }

  /** What was asked to end ends, with nothing done. */
  void endUnlinked() {
    for (Urb urb : List.copyOf(unlinked)) {
      submitted.stream()
          .filter(one -> one.urb() == urb)
          .findFirst()
          .ifPresent(one -> complete(one, UrbStatus.CANCELLED, 0));
    }
  }

  @Override
  public CompletableFuture<UrbStatus> reset() {
    CompletableFuture<UrbStatus> done = new CompletableFuture<>();
    resets.add(done);
    gadget.resets++;
    return done;
  }

  @Override
  public void close() {
    closed = true;
    while (!submitted.isEmpty()) {
      complete(submitted.get(0), UrbStatus.CANCELLED, 0);
    }
    resets.forEach(reset -> reset.complete(UrbStatus.PROTOCOL));
  }
}
