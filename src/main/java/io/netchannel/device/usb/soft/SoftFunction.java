package io.netchannel.device.usb.soft;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Optional;

/**
 * What a device in software does; its port does all that is the same for every device. Its methods
 * are called under the port's lock, never wait, and take what the host sends as it is: anything.
 * What others call of it goes through {@link Bus#enter}.
 */
public abstract class SoftFunction implements AutoCloseable {

  /** What its port does for it. */
  interface Bus {
    /** One of its bulk or interrupt endpoints. */
    DataPipe pipe(int address);

    /** By the monotonic clock. */
    long nanoTime();

    /** {@link #ready} will be called then, or before. */
    void wakeAfter(Duration delay);

    /** Runs this under the port's lock, for another thread, and then {@link #ready}. */
    void enter(Runnable work);

    /** The same, from within anything: by the executor. */
    void enterLater(Runnable work);
  }

  /** What it says that it is. */
  abstract Model model();

  /** It is at a port, for ever. */
  abstract void attached(Bus bus);

  /** It was plugged, reset or configured: begins anew. */
  abstract void restart();

  /** Another alternate setting of an interface was selected. */
  void selected(int interfaceNumber) {}

  /**
   * Does a control request that is not a standard one, or asks for a descriptor of an interface.
   *
   * @param data what the host sends
   * @return what the host gets, cut to what it asked for; empty for a STALL
   */
  abstract Optional<byte[]> control(Setup setup, byte[] data);

  /** Something was submitted, set or has come: does what can be done now. */
  abstract void ready();

  /** The packet of a frame: puts what there is into it, from its position to its limit. */
  void isoIn(int endpoint, long frame, ByteBuffer packet) {}

  /** The packet of a frame has come. */
  void isoOut(int endpoint, long frame, ByteBuffer packet) {}

  /** What it has seen, for the log; a few words. */
  abstract String summary();

  /** Releases what it has, and waits for that; not under the port's lock. Idempotent. */
  @Override
  public void close() {}
}
