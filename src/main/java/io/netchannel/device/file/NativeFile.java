package io.netchannel.device.file;

import com.google.errorprone.annotations.CheckReturnValue;
import com.sun.jna.LastErrorException;
import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * An open file descriptor. Methods give what the system call gave, or the negative error number;
 * interrupted calls are repeated. Any thread may call them; not after {@link #close}. Reading and
 * writing make no object once the compiler has removed JNA's Pointer.
 */
@CheckReturnValue
final class NativeFile implements AutoCloseable {
  /** A struct iovec of each thread's own. */
  private static final ThreadLocal<Memory> VECTOR =
      ThreadLocal.withInitial(() -> new Memory(2L * Long.BYTES));

  private final int fd;
  private final AtomicBoolean closed = new AtomicBoolean();

  private NativeFile(int fd) {
    this.fd = fd;
  }

  /** open(2) failed. */
  static final class OpenException extends Exception {
    private static final long serialVersionUID = 1L;
    private final int errno;

    OpenException(int errno) {
      super(describe(errno));
      this.errno = errno;
    }

    int errno() {
      return errno;
    }
  }

  static NativeFile open(String path, int flags) throws OpenException {
    long fd = call(() -> Libc.open(path, flags | Libc.O_CLOEXEC));
    if (fd < 0) {
      throw new OpenException((int) -fd);
    }
    return new NativeFile((int) fd);
  }

  /** The system's words for an error number, with the number. */
  static String describe(int errno) {
    return Libc.strerror(errno) + " (errno " + errno + ")";
  }

  /** Reads {@code lengthBytes} to {@code position} of a direct buffer; may read less. */
  long read(ByteBuffer data, int position, int lengthBytes, long offsetBytes) {
    long address = addressOf(data) + position;
    try {
      while (true) {
        try {
          return Libc.pread(fd, address, lengthBytes, offsetBytes);
        } catch (LastErrorException e) {
          if (e.getErrorCode() != Libc.EINTR) {
            return -e.getErrorCode();
          }
        }
      }
    } finally {
      Reference.reachabilityFence(
          data); // the kernel uses its memory, which the collector cannot see
    }
  }

  /** As {@link #read}, but only what is in the page cache; -EAGAIN when nothing of it is. */
  long readCached(ByteBuffer data, int position, int lengthBytes, long offsetBytes) {
    Memory vector = VECTOR.get();
    vector.setLong(0, addressOf(data) + position);
    vector.setLong(Long.BYTES, lengthBytes);
    try {
      return Libc.preadv2(fd, Pointer.nativeValue(vector), 1, offsetBytes, Libc.RWF_NOWAIT);
    } catch (LastErrorException e) {
      return -e.getErrorCode();
    } finally {
      Reference.reachabilityFence(data);
    }
  }

  /** Writes {@code lengthBytes} from {@code position} of a direct buffer; may write less. */
  long write(ByteBuffer data, int position, int lengthBytes, long offsetBytes) {
    long address = addressOf(data) + position;
    try {
      while (true) {
        try {
          return Libc.pwrite(fd, address, lengthBytes, offsetBytes);
        } catch (LastErrorException e) {
          if (e.getErrorCode() != Libc.EINTR) {
            return -e.getErrorCode();
          }
        }
      }
    } finally {
      Reference.reachabilityFence(
          data); // the kernel uses its memory, which the collector cannot see
    }
  }

  /** Makes data durable, in a block device's volatile cache too. */
  long sync() {
    return call(() -> Libc.fdatasync(fd));
  }

  /** Drops clean pages of the whole file from the page cache. */
  long dropCache() {
    return -Libc.posix_fadvise(fd, 0, 0, Libc.POSIX_FADV_DONTNEED);
  }

  /**
   * Makes a range read as zeros and gives its storage back; the size stays. On a block device the
   * kernel does it only where that can do both at once (block/fops.c, blkdev_fallocate).
   */
  long punchHole(long offsetBytes, long lengthBytes) {
    return allocate(Libc.FALLOC_FL_PUNCH_HOLE, offsetBytes, lengthBytes);
  }

  /** Makes a range of a regular file read as zeros and keeps its storage; the size stays. */
  long zeroRange(long offsetBytes, long lengthBytes) {
    return allocate(Libc.FALLOC_FL_ZERO_RANGE, offsetBytes, lengthBytes);
  }

  private long allocate(int mode, long offsetBytes, long lengthBytes) {
    int keepingSize = mode | Libc.FALLOC_FL_KEEP_SIZE;
    return call(() -> Libc.fallocate(fd, keepingSize, offsetBytes, lengthBytes));
  }

  /** BLKDISCARD on a block device. */
  long discardBlocks(long offsetBytes, long lengthBytes) {
    return ioctlRange(Libc.BLKDISCARD, offsetBytes, lengthBytes);
  }

  /** BLKZEROOUT on a block device; what cannot do that by itself is written to by the kernel. */
  long zeroBlocks(long offsetBytes, long lengthBytes) {
    return ioctlRange(Libc.BLKZEROOUT, offsetBytes, lengthBytes);
  }

  private long ioctlRange(long request, long offsetBytes, long lengthBytes) {
    try (Memory range = new Memory(2L * Long.BYTES)) {
      range.setLong(0, offsetBytes);
      range.setLong(Long.BYTES, lengthBytes);
      return call(() -> Libc.ioctl(fd, request, range));
    }
  }

  /** The position that lseek(2) finds; nothing here reads or writes at the descriptor's own. */
  long seek(long offsetBytes, int whence) {
    return call(() -> Libc.lseek(fd, offsetBytes, whence));
  }

  /** An ioctl that stores an int; or the negative error number. */
  long ioctlInt(long request) {
    try (Memory value = new Memory(Integer.BYTES)) {
      value.clear();
      long result = call(() -> Libc.ioctl(fd, request, value));
      return result < 0 ? result : Integer.toUnsignedLong(value.getInt(0));
    }
  }

  /** An ioctl that stores a 64-bit number; or the negative error number. */
  long ioctlLong(long request) {
    try (Memory value = new Memory(Long.BYTES)) {
      value.clear();
      long result = call(() -> Libc.ioctl(fd, request, value));
      return result < 0 ? result : value.getLong(0);
    }
  }

  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      try {
        var unused = Libc.close(fd);
      } catch (LastErrorException e) {
        // The descriptor is gone all the same (close(2)); what must be durable was flushed before.
      }
    }
  }

  static long addressOf(ByteBuffer direct) {
    return Pointer.nativeValue(Native.getDirectBufferPointer(direct));
  }

  private interface SystemCall {
    long run() throws LastErrorException;
  }

  private static long call(SystemCall systemCall) {
    while (true) {
      try {
        return systemCall.run();
      } catch (LastErrorException e) {
        if (e.getErrorCode() != Libc.EINTR) {
          return -e.getErrorCode();
        }
      }
    }
  }
}
