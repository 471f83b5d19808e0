package io.netchannel.device.usb.shared;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import io.netchannel.device.usb.DescriptorLoop;
import io.netchannel.device.usb.Descriptors;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbSpeed;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;

/**
 * A device whose test says when a URB is done and what came. Endpoint 0x81 is an interrupt IN of
 * the class that it is made with, 0x02 a bulk OUT.
 */
final class ManualDevice implements UsbDevice {
  static final int HID = 3;
  static final int VENDOR = 0xff;
  static final int IN = 0x81;
  static final int OUT = 0x02;

  private record Submitted(Urb urb, UrbCompletion completion) {}

  private final int usbClass;
  private final Executor executor;
  private final List<Submitted> submitted = new ArrayList<>();

  /** What was done to it, but URBs. */
  final List<String> calls = new ArrayList<>();

  /** Where completions are wanted. */
  DescriptorLoop loop;

  private final List<Urb> unlinked = new ArrayList<>();
  private int incarnation = 1;
  private boolean plugged = true;
  private PortListener listener = () -> {};

  /**
   * @param executor ends what is for a device that has gone
   */
  ManualDevice(int usbClass, Executor executor) {
    this.usbClass = usbClass;
    this.executor = executor;
  }

  // ---- for the test

  /** How many URBs it has. */
  int held() {
    return submitted.size();
  }

  /** Whether the end of its first URB was asked for. */
  boolean isFirstUnlinked() {
    return unlinked.contains(submitted.get(0).urb());
  }

  /** Its first URB is done, with some bytes. */
  void complete(UrbStatus status, int... bytes) {
    Submitted first = submitted.remove(0);
    unlinked.remove(first.urb());
    for (int i = 0; i < bytes.length; i++) {
      first.urb().data().put(first.urb().data().position() + i, (byte) bytes[i]);
    }
    first.urb().done(status, first.urb().isIn() ? bytes.length : first.urb().dataBytes());
    first.completion().complete(first.urb());
  }

  /** Ends what was unlinked. */
  void endUnlinked() {
    while (!submitted.isEmpty() && isFirstUnlinked()) {
      complete(UrbStatus.CANCELLED);
    }
  }

  void replug() {
    plugged = false;
    while (!submitted.isEmpty()) {
      complete(UrbStatus.NO_DEVICE);
    }
    listener.portChanged();
    plugged = true;
    incarnation++;
    listener.portChanged();
  }

  // ---- the device

  @Override
  public PortState port() {
    byte[] descriptors =
        HexFormat.of()
            .parseHex(
                "120100020000004009120300000001020301"
                    + "0902200001010080320904000002%02x010100".formatted(usbClass)
                    + "0705810308000a"
                    + "07050202400000");
    return new PortState(
        incarnation,
        plugged
            ? Optional.of(
                new PortState.Plugged(
                    UsbSpeed.FULL,
                    Descriptors.of(descriptors),
                    Optional.of("NC42"),
                    1,
                    ImmutableMap.of(0, 0),
                    ImmutableSet.of()))
            : Optional.empty());
  }

  @Override
  public void listen(PortListener newListener) {
    listener = newListener;
    newListener.portChanged();
  }

  @Override
  public void submit(Urb urb, int itsIncarnation, UrbCompletion completion) {
    if (itsIncarnation != incarnation) {
      urb.done(UrbStatus.NO_DEVICE, 0);
      executor.execute(() -> completion.complete(urb));
      return;
    }
    submitted.add(new Submitted(urb, completion));
  }

  @Override
  public void unlink(Urb urb) {
    unlinked.add(urb);
  }

  @Override
  public CompletableFuture<UrbStatus> reset() {
    calls.add("reset");
    submitted.forEach(each -> unlinked.add(each.urb()));
    return CompletableFuture.completedFuture(UrbStatus.OK);
  }

  @Override
  public void completeOn(DescriptorLoop newLoop) {
    loop = newLoop;
  }

  @Override
  public void keepPlace() {
    calls.add("keepPlace");
  }

  @Override
  public void close() {
    calls.add("close");
    while (!submitted.isEmpty()) {
      complete(UrbStatus.CANCELLED);
    }
  }
}
