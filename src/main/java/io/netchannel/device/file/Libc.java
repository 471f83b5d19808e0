package io.netchannel.device.file;

import com.sun.jna.LastErrorException;
import com.sun.jna.Native;
import com.sun.jna.Platform;
import com.sun.jna.Pointer;

/**
 * The few calls of libc that a block device needs. Addresses, sizes and offsets are {@code long}:
 * Xen's control domain is a 64-bit Linux, where pointers, size_t and off_t are that wide.
 */
final class Libc {
  static final int O_RDONLY = 0;
  static final int O_RDWR = 2;

  /** Without O_CREAT, on a block device: fails with EBUSY when something has it for itself. */
  static final int O_EXCL = 0x80;

  static final int O_CLOEXEC = 0x80000;

  /** asm-generic/fcntl.h; arm64 has its own value. */
  static final int O_DIRECT = Platform.isARM() ? 0x10000 : 0x4000;

  static final int EINTR = 4;
  static final int EIO = 5;
  static final int ENOENT = 2;
  static final int ENXIO = 6;
  static final int EAGAIN = 11;
  static final int EACCES = 13;
  static final int EPERM = 1;
  static final int EBUSY = 16;
  static final int ENODEV = 19;
  static final int EINVAL = 22;
  static final int ENOSPC = 28;
  static final int EROFS = 30;
  static final int ENOSYS = 38;
  static final int EOPNOTSUPP = 95;
  static final int EDQUOT = 122;

  static final int POSIX_FADV_DONTNEED = 4;

  /** linux/fs.h: only what is in memory. */
  static final int RWF_NOWAIT = 8;

  /** linux/falloc.h. */
  static final int FALLOC_FL_KEEP_SIZE = 1;

  static final int FALLOC_FL_PUNCH_HOLE = 2;
  static final int FALLOC_FL_ZERO_RANGE = 0x10;

  /** unistd.h; the latter two are Linux's own. */
  static final int SEEK_END = 2;

  static final int SEEK_DATA = 3;
  static final int SEEK_HOLE = 4;

  /** linux/fs.h. */
  static final long BLKROGET = 0x125EL;

  static final long BLKSSZGET = 0x1268L;
  static final long BLKDISCARD = 0x1277L;
  static final long BLKPBSZGET = 0x127BL;
  static final long BLKZEROOUT = 0x127FL;
  static final long BLKGETSIZE64 = 0x80081272L;

  static {
    Native.register(Libc.class, "c");
  }

  private Libc() {}

  static native int open(String path, int flags) throws LastErrorException;

  static native int close(int fd) throws LastErrorException;

  static native long pread(int fd, long address, long lengthBytes, long offsetBytes)
      throws LastErrorException;

  static native long preadv2(int fd, long vector, int count, long offsetBytes, int flags)
      throws LastErrorException;

  static native long pwrite(int fd, long address, long lengthBytes, long offsetBytes)
      throws LastErrorException;

  static native int fdatasync(int fd) throws LastErrorException;

  /** Gives the error instead of setting errno. */
  static native int posix_fadvise(int fd, long offsetBytes, long lengthBytes, int advice);

  static native int fallocate(int fd, int mode, long offsetBytes, long lengthBytes)
      throws LastErrorException;

  static native long lseek(int fd, long offsetBytes, int whence) throws LastErrorException;

  static native int ioctl(int fd, long request, Pointer argument) throws LastErrorException;

  static native String strerror(int errno);
}
