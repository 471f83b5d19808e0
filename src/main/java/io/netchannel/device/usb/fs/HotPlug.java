package io.netchannel.device.usb.fs;

/** Tells that something may have been plugged or unplugged on this host. */
interface HotPlug extends AutoCloseable {

  /**
   * From now on this is called, on any thread, when something may have changed; it must not block
   * or throw.
   *
   * @return ends that; whoever is being told is told to the end
   */
  Registration listen(Runnable changed);

  /** Of one listener. */
  interface Registration extends AutoCloseable {
    @Override
    void close();
  }

  @Override
  void close();
}
