package io.netchannel.device;

import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * A device in front of another one: all that it leaves as it is. What the device below has in
 * custody is not passed on: it knows the completions that it was given, and not those of who uses
 * this one.
 */
public abstract class ForwardingDevice implements Device {
  protected final Device device;

  /** In front of {@code device}, which is closed with it. */
  protected ForwardingDevice(Device device) {
    this.device = device;
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
  public void rest() {
    device.rest();
  }

  @Override
  public void useGeneration(long generation) {
    device.useGeneration(generation);
  }

  @Override
  public void becomesLeg() {
    device.becomesLeg();
  }

  @Override
  public void keepPlace() {
    device.keepPlace();
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
  public Optional<String> problem() {
    return device.problem();
  }

  @Override
  public boolean isGivenFree() {
    return device.isGivenFree();
  }

  @Override
  public boolean hasLostWrites() {
    return device.hasLostWrites();
  }

  @Override
  public void close() {
    device.close();
  }
}
