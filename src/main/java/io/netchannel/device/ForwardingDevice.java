package io.netchannel.device;

import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;

/** A device in front of another one: all that it leaves as it is. */
public abstract class ForwardingDevice extends ForwardingBackend<Device> implements Device {
  /** In front of {@code device}, which is closed with it. */
  protected ForwardingDevice(Device device) {
    super(device);
  }

  @Override
  public DeviceGeometry geometry() {
    return device.geometry();
  }

  @Override
  public void read(long offsetBytes, ByteBuffer data, Completion completion) {
    device.read(offsetBytes, data, completion);
  }

  @Override
  public void write(long offsetBytes, ByteBuffer data, Completion completion) {
    device.write(offsetBytes, data, completion);
  }

  @Override
  public void flush(Completion completion) {
    device.flush(completion);
  }

  @Override
  public void discard(long offsetBytes, long lengthBytes, Completion completion) {
    device.discard(offsetBytes, lengthBytes, completion);
  }

  @Override
  public void zero(
      long offsetBytes, long lengthBytes, boolean mayDeallocate, Completion completion) {
    device.zero(offsetBytes, lengthBytes, mayDeallocate, completion);
  }

  @Override
  public CompletableFuture<Extents> extents(long offsetBytes, long lengthBytes) {
    return device.extents(offsetBytes, lengthBytes);
  }

  @Override
  public void becomesLeg() {
    device.becomesLeg();
  }

  @Override
  public CompletableFuture<Void> moved(String to) {
    return device.moved(to);
  }

  @Override
  public CompletableFuture<Void> arrived() {
    return device.arrived();
  }

  @Override
  public boolean hasLostWrites() {
    return device.hasLostWrites();
  }
}
