package io.netchannel.midpoint.usb;

import io.netchannel.device.usb.UsbDevice;
import io.netchannel.midpoint.HandOver;
import io.netchannel.midpoint.Manifest;
import io.netchannel.midpoint.MidPointId;
import io.netchannel.midpoint.Seal;

/** USB devices are not handed over to another host: whoever asks for it hears why. */
final class StaysHere implements HandOver<UsbDevice, Manifest> {
  private final MidPointId id;

  StaysHere(MidPointId id) {
    this.id = id;
  }

  private IllegalStateException refusal() {
    return new IllegalStateException(
        id + ": a guest with a USB device cannot be migrated; detach the device first");
  }

  @Override
  public Manifest nothing() {
    throw refusal();
  }

  @Override
  public Seal<Manifest> seal(Seal.Terms<Manifest> terms) {
    throw refusal();
  }

  @Override
  public void drop() {}

  @Override
  public void stage(Manifest expected) {
    throw refusal();
  }

  @Override
  public void unstage() {}

  @Override
  public void check(Manifest handedOver, UsbDevice newDevice) {
    throw refusal();
  }

  @Override
  public void takeOver(Manifest handedOver, UsbDevice newDevice) {
    throw refusal();
  }
}
