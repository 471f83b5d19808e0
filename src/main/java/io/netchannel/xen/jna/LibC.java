package io.netchannel.xen.jna;

import com.sun.jna.Native;
import com.sun.jna.Pointer;

/** The few calls of libc that are needed; signatures as in its manual pages. */
final class LibC {
  static final int ENOENT = 2;
  static final int E2BIG = 7;
  static final int EAGAIN = 11;
  static final int EACCES = 13;
  static final int EEXIST = 17;
  static final int EINVAL = 22;
  static final int ENOSPC = 28;
  static final int EPERM = 1;
  static final int EINTR = 4;

  static final int PROT_READ = 1;
  static final int PROT_WRITE = 2;
  static final short POLLIN = 1;
  static final int EFD_CLOEXEC = 0x80000;

  static {
    Native.register(LibC.class, "c");
  }

  private LibC() {}

  static native void free(Pointer memory);

  static native int poll(Pointer pollFds, long count, int timeoutMillis);

  static native int eventfd(int initialValue, int flags);

  static native long write(int fd, byte[] bytes, long count);

  static native int close(int fd);

  static native Pointer strerror(int errno);

  /** "No such file or directory (errno 2)". */
  static String describe(int errno) {
    return "%s (errno %d)".formatted(strerror(errno).getString(0), errno);
  }
}
