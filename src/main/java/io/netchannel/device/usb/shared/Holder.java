package io.netchannel.device.usb.shared;

import io.netchannel.device.usb.DescriptorLoop;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * A device as one of those has it that share it. All of its state is the {@link SharedDevice}'s,
 * and guarded by that.
 */
final class Holder implements UsbDevice {
  private final SharedDevice device;

  long generation;

  /** Its user has stopped. */
  boolean resting;

  /** Its user comes again. */
  boolean keepsPlace;

  boolean closing;

  /** It is not one of them any more. */
  boolean gone;

  /** Its URBs that its user has not been told the end of. */
  int untold;

  /** Where its completions are told while it owns the device; null for the device's thread. */
  DescriptorLoop loop;

  volatile PortListener listener = () -> {};

  Holder(SharedDevice device, long generation) {
    this.device = device;
    this.generation = generation;
  }

  @Override
  public PortState port() {
    return device.port();
  }

  @Override
  public void listen(PortListener newListener) {
    listener = newListener;
    newListener.portChanged();
  }

  @Override
  public void submit(Urb urb, int incarnation, UrbCompletion completion) {
    device.submit(this, urb, incarnation, completion);
  }

  @Override
  public void unlink(Urb urb) {
    device.unlink(this, urb);
  }

  @Override
  public CompletableFuture<UrbStatus> reset() {
    return device.reset(this);
  }

  @Override
  public void completeOn(DescriptorLoop newLoop) {
    device.completeOn(this, newLoop);
  }

  @Override
  public void useGeneration(long newer) {
    device.useGeneration(this, newer);
  }

  @Override
  public void keepPlace() {
    device.keepPlace(this);
  }

  @Override
  public void rest() {
    device.rest(this);
  }

  @Override
  public Optional<String> problem() {
    return device.problem(this);
  }

  @Override
  public void close() {
    device.close(this);
  }

  @Override
  public String toString() {
    return "%s, generation %d".formatted(device, generation);
  }
}
