package io.netchannel.device.usb;

import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * A USB device in front of another one: all that it leaves as it is. What the device below has in
 * custody is not passed on, as with {@link io.netchannel.device.ForwardingDevice}.
 */
public abstract class ForwardingUsbDevice implements UsbDevice {
  protected final UsbDevice device;

  /** In front of {@code device}, which is closed with it. */
  protected ForwardingUsbDevice(UsbDevice device) {
    this.device = device;
  }

  @Override
  public PortState port() {
    return device.port();
  }

  @Override
  public void listen(PortListener listener) {
    device.listen(listener);
  }

  @Override
  public void submit(Urb urb, int incarnation, UrbCompletion completion) {
    device.submit(urb, incarnation, completion);
  }

  @Override
  public void unlink(Urb urb) {
    device.unlink(urb);
  }

  @Override
  public CompletableFuture<UrbStatus> reset() {
    return device.reset();
  }

  @Override
  public void useGeneration(long generation) {
    device.useGeneration(generation);
  }

  @Override
  public void keepPlace() {
    device.keepPlace();
  }

  @Override
  public void rest() {
    device.rest();
  }

  @Override
  public Optional<String> problem() {
    return device.problem();
  }

  @Override
  public boolean isGivenFree() {
    return device.isGivenFree();
  }

  @Override
  public void close() {
    device.close();
  }
}
