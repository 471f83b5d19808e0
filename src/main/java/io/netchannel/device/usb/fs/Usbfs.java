package io.netchannel.device.usb.fs;

import io.netchannel.device.DeviceException;

/**
 * The calls of usbfs on one open device (Linux, drivers/usb/core/devio.c). What can fail gives the
 * negative error number. The kernel lets one call at a time at a device, so all wait while it is
 * reset or configured; but {@link #await} and {@link #wake}.
 */
interface Usbfs extends AutoCloseable {
  /** Of {@link #await}: URBs may be reaped. */
  int COMPLETED = 1;

  /** Of {@link #await}: the device is not there any more; what it had may still be reaped. */
  int GONE = 2;

  /** Opens the nodes of devices. */
  @FunctionalInterface
  interface Opener {
    /**
     * Opens one; nothing of it is claimed yet.
     *
     * @throws DeviceException in words
     */
    Usbfs open(HostUsbDevice device) throws DeviceException;
  }

  /**
   * SUBMITURB.
   *
   * @param urb address of a struct usbdevfs_urb, which is the kernel's until it is reaped
   */
  int submit(long urb);

  /**
   * REAPURBNDELAY.
   *
   * @return the address of one that is done; -EAGAIN when none is, -ENODEV when none is and the
   *     device is gone
   */
  long reap();

  /** DISCARDURB. It is reaped as ever; -EINVAL when it was done before. */
  int discard(long urb);

  /** DISCONNECT_CLAIM: takes an interface from any driver but usbfs, that is another program. */
  int claim(int interfaceNumber);

  /** RELEASEINTERFACE: kills what is outstanding there. */
  int release(int interfaceNumber);

  /** CONNECT: lets the kernel's drivers have an interface again. */
  int connect(int interfaceNumber);

  /** SETINTERFACE: kills what is outstanding there. */
  int setInterface(int interfaceNumber, int alternate);

  /** SETCONFIGURATION; -EBUSY while any interface is claimed. */
  int setConfiguration(int value);

  /** CLEAR_HALT: at the device and at the host, whose data toggles have to agree. */
  int clearHalt(int endpoint);

  /** RESET: unbinds usbfs from what is claimed. */
  int reset();

  /**
   * Waits until something has happened, or {@link #wake} was called; by one thread only.
   *
   * @param events what counts beside that: {@link #COMPLETED} with {@link #GONE}, {@link #GONE}, or
   *     0
   * @param boundMillis how long at most; -1 for ever
   * @return what of that there is
   */
  int await(int events, int boundMillis);

  /**
   * What an event loop may wait for in place of {@link #await}, until it can be written to or is
   * broken: {@link #COMPLETED} and {@link #GONE}.
   */
  int descriptor();

  /** Ends a wait, this one or the next. From any thread, also after {@link #close}. */
  void wake();

  /** Kills what is outstanding and releases what is claimed. */
  @Override
  void close();
}
