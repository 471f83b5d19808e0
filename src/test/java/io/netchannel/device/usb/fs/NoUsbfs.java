package io.netchannel.device.usb.fs;

/** A device that nothing is asked of, but what a test overrides. */
class NoUsbfs implements Usbfs {
  private static AssertionError unexpected() {
    return new AssertionError("not expected");
  }

  @Override
  public int submit(long urb) {
    throw unexpected();
  }

  @Override
  public long reap() {
    throw unexpected();
  }

  @Override
  public int discard(long urb) {
    throw unexpected();
  }

  @Override
  public int claim(int interfaceNumber) {
    throw unexpected();
  }

  @Override
  public int release(int interfaceNumber) {
    throw unexpected();
  }

  @Override
  public int connect(int interfaceNumber) {
    throw unexpected();
  }

  @Override
  public int setInterface(int interfaceNumber, int alternate) {
    throw unexpected();
  }

  @Override
  public int setConfiguration(int value) {
    throw unexpected();
  }

  @Override
  public int clearHalt(int endpoint) {
    throw unexpected();
  }

  @Override
  public int reset() {
    throw unexpected();
  }

  @Override
  public int await(int events, int boundMillis) {
    throw unexpected();
  }

  @Override
  public int descriptor() {
    throw unexpected();
  }

  @Override
  public void wake() {}

  @Override
  public void close() {}
}
