package io.netchannel.device.usb;

/**
 * A thread that waits for many file descriptors at once, as an event loop does for its sockets, and
 * waits for a device's too: what the device has done is told there, with no other thread between.
 */
public interface DescriptorLoop {

  /** Who is told; on the loop's thread, and never waits there. */
  interface Watcher {
    /**
     * It can be written to, or is broken. Told again and again, as long as that is so.
     *
     * @param broken whether it can never be waited for again
     */
    void ready(boolean broken);

    /** Nothing is told any more: the thread ends, or cannot wait for such a descriptor. */
    void over();
  }

  /** That a descriptor is waited for. From any thread; takes effect soon. */
  interface Watch {
    /** Whether {@link Watcher#ready} is told; it is from the start on. */
    void listen(boolean on);

    /** Ends it. What is told until then is to be ignored. */
    void cancel();
  }

  /**
   * Waits for a descriptor until it can be written to, which is how usbfs says that something is
   * done.
   */
  Watch watch(int descriptor, Watcher watcher);
}
