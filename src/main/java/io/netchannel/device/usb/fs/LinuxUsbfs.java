package io.netchannel.device.usb.fs;

import static io.netchannel.device.usb.fs.UsbfsLayout.DISCONNECT_CLAIM_BYTES;
import static io.netchannel.device.usb.fs.UsbfsLayout.DISCONNECT_CLAIM_DRIVER;
import static io.netchannel.device.usb.fs.UsbfsLayout.DISCONNECT_CLAIM_FLAGS;
import static io.netchannel.device.usb.fs.UsbfsLayout.EXCEPT_DRIVER;

import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Platform;
import com.sun.jna.Pointer;
import io.netchannel.device.DeviceException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * The real one. Its calls make no object: addresses are numbers, and errors are told by errno. What
 * it gives to calls is in memory of its own, one piece per method that may run beside others.
 */
final class LinuxUsbfs implements Usbfs {
  /** In the kernel's words: interfaces claimed by programs have this driver. */
  private static final String USBFS_DRIVER = "usbfs";

  /** Signatures as in the manual pages. */
  private static final class LibC {
    static final int O_RDWR = 2;
    static final int O_CLOEXEC = 0x80000;
    static final int EFD_CLOEXEC = 0x80000;
    static final int EFD_NONBLOCK = 0x800;
    static final short POLLIN = 1;
    static final short POLLOUT = 4;
    static final short POLLERR = 8;
    static final short POLLHUP = 0x10;
    static final short POLLNVAL = 0x20;

    static {
      // The process's own, as the dynamic linker resolves them; not those of one library.
      Native.register(LibC.class, NativeLibrary.getProcess());
    }

    private LibC() {}

    static native int open(String path, int flags);

    static native int ioctl(int fd, long request, long argument);

    static native int poll(long pollFds, long count, int timeoutMillis);

    static native int eventfd(int initialValue, int flags);

    static native long read(int fd, long address, long lengthBytes);

    static native long write(int fd, long address, long lengthBytes);

    static native int close(int fd);

    static native String strerror(int errno);
  }

  /** struct pollfd { int fd; short events; short revents; }. */
  private static final int POLLFD_BYTES = 8;

  private static final int EVENTS = 4;
  private static final int REVENTS = 6;

  /** In place of a descriptor: poll looks at none. */
  private static final int IGNORED = -1;

  private final int fd;
  private final int wakeFd;

  /** For {@link #await}, of one thread. */
  private final Memory pollFds = new Memory(2L * POLLFD_BYTES);

  private final Memory woken = new Memory(Long.BYTES);
  private final Memory one = new Memory(Long.BYTES);

  /** For {@link #reap}, of the same thread. */
  private final Memory reaped = new Memory(Long.BYTES);

  /** For all other calls, of the same thread. */
  private final Memory argument = new Memory(DISCONNECT_CLAIM_BYTES);

  // Addresses of these.
  private final long pollFdsAt = Pointer.nativeValue(pollFds);
  private final long reapedAt = Pointer.nativeValue(reaped);
  private final long argumentAt = Pointer.nativeValue(argument);

  /** Guarded by this. */
  private boolean closed;

  private LinuxUsbfs(int fd, int wakeFd) {
    this.fd = fd;
    this.wakeFd = wakeFd;
    one.setLong(0, 1);
    pollFds.clear();
    pollFds.setInt(POLLFD_BYTES, wakeFd);
    pollFds.setShort(POLLFD_BYTES + EVENTS, LibC.POLLIN);
  }

  /** Opens a device's node. */
  static LinuxUsbfs open(HostUsbDevice device) throws DeviceException {
    if (!Platform.isLinux() || !Platform.is64Bit()) {
      throw new DeviceException("usb: devices need a 64-bit Linux");
    }
    Path node = device.node();
    int fd = LibC.open(node.toString(), LibC.O_RDWR | LibC.O_CLOEXEC);
    if (fd < 0) {
      int errno = Native.getLastError();
      String advice =
          switch (errno) {
            case Errno.ENOENT, Errno.ENODEV ->
                "; it was unplugged this moment, or this process sees another /dev";
            case Errno.EACCES, Errno.EPERM -> "; netchanneld needs permission to write it";
            default -> "";
          };
      throw new DeviceException(
          "%s cannot be opened: %s: %s%s".formatted(device, node, describe(errno), advice));
    }
    int wakeFd = LibC.eventfd(0, LibC.EFD_CLOEXEC | LibC.EFD_NONBLOCK);
    if (wakeFd < 0) {
      int errno = Native.getLastError();
      LibC.close(fd);
      throw new DeviceException(
          "no eventfd for %s: %s; raise the limit of open files (ulimit -n)"
              .formatted(device, describe(errno)));
    }
    return new LinuxUsbfs(fd, wakeFd);
  }

  /** The system's words for an error number, with the number. */
  static String describe(int errno) {
    return LibC.strerror(errno) + " (errno " + errno + ")";
  }

  @Override
  public int submit(long urb) {
    return call(UsbfsLayout.SUBMITURB, urb);
  }

  @Override
  public long reap() {
    int result = call(UsbfsLayout.REAPURBNDELAY, reapedAt);
    return result < 0 ? result : reaped.getLong(0);
  }

  @Override
  public int discard(long urb) {
    return call(UsbfsLayout.DISCARDURB, urb);
  }

  @Override
  public int claim(int interfaceNumber) {
    argument.clear();
    argument.setInt(0, interfaceNumber);
    argument.setInt(DISCONNECT_CLAIM_FLAGS, EXCEPT_DRIVER);
    argument.setString(DISCONNECT_CLAIM_DRIVER, USBFS_DRIVER, StandardCharsets.US_ASCII.name());
    return call(UsbfsLayout.DISCONNECT_CLAIM, argumentAt);
  }

  @Override
  public int release(int interfaceNumber) {
    return callWith(UsbfsLayout.RELEASEINTERFACE, interfaceNumber);
  }

  @Override
  public int connect(int interfaceNumber) {
    argument.clear();
    argument.setInt(0, interfaceNumber);
    argument.setInt(Integer.BYTES, UsbfsLayout.CONNECT);
    return call(UsbfsLayout.IOCTL, argumentAt);
  }

  @Override
  public int setInterface(int interfaceNumber, int alternate) {
    argument.setInt(Integer.BYTES, alternate);
    return callWith(UsbfsLayout.SETINTERFACE, interfaceNumber);
  }

  @Override
  public int setConfiguration(int value) {
    return callWith(UsbfsLayout.SETCONFIGURATION, value);
  }

  @Override
  public int clearHalt(int endpoint) {
    return callWith(UsbfsLayout.CLEAR_HALT, endpoint);
  }

  @Override
  public int reset() {
    return call(UsbfsLayout.RESET, 0);
  }

  /** A call with a number as the first of what it takes. */
  private int callWith(long request, int number) {
    argument.setInt(0, number);
    return call(request, argumentAt);
  }

  private int call(long request, long at) {
    while (true) {
      int result = LibC.ioctl(fd, request, at);
      if (result >= 0) {
        return result;
      }
      int errno = Native.getLastError();
      if (errno != Errno.EINTR) {
        return -errno;
      }
    }
  }

  @Override
  public int await(int events, int boundMillis) {
    pollFds.setInt(0, events == 0 ? IGNORED : fd); // errors are told whether asked for or not
    pollFds.setShort(EVENTS, (events & COMPLETED) != 0 ? LibC.POLLOUT : 0);
    pollFds.setShort(REVENTS, (short) 0);
    if (LibC.poll(pollFdsAt, 2, boundMillis) <= 0) {
      return 0; // also of an interrupted one: who waits looks and comes again
    }
    if (pollFds.getShort(POLLFD_BYTES + REVENTS) != 0) {
      LibC.read(wakeFd, Pointer.nativeValue(woken), Long.BYTES);
    }
    int found = pollFds.getShort(REVENTS);
    return ((found & LibC.POLLOUT) != 0 ? COMPLETED : 0)
        | ((found & (LibC.POLLERR | LibC.POLLHUP | LibC.POLLNVAL)) != 0 ? GONE : 0);
  }

  @Override
  public int descriptor() {
    return fd;
  }

  @Override
  public synchronized void wake() {
    if (!closed) {
      LibC.write(wakeFd, Pointer.nativeValue(one), Long.BYTES);
    }
  }

  @Override
  public synchronized void close() {
    if (!closed) {
      closed = true;
      LibC.close(fd);
      LibC.close(wakeFd);
    }
  }
}
