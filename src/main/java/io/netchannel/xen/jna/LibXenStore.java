package io.netchannel.xen.jna;

import com.sun.jna.Pointer;

/**
 * libxenstore (xenstore.h). A C {@code bool} is a byte here: JNA's boolean is an int. Paths and
 * tokens are zero-terminated.
 */
final class LibXenStore {
  static final String LIBRARY = "libxenstore.so.4";
  static final String DEBIAN_PACKAGE = "libxenstore4";

  /** Bits of {@code struct xs_permissions { unsigned id, perms; }} (xenstore_lib.h). */
  static final int PERM_READ = 1;

  static final int PERM_WRITE = 2;
  static final int PERMISSION_BYTES = 8;

  static {
    NativeLibraries.register(LibXenStore.class, LIBRARY, DEBIAN_PACKAGE);
  }

  private LibXenStore() {}

  // The names are those of the C library.
  static native Pointer xs_open(long flags);

  static native void xs_close(Pointer handle);

  static native Pointer xs_directory(Pointer handle, int transaction, byte[] path, int[] count);

  static native Pointer xs_read(Pointer handle, int transaction, byte[] path, int[] lengthBytes);

  static native byte xs_write(
      Pointer handle, int transaction, byte[] path, byte[] value, int lengthBytes);

  static native byte xs_mkdir(Pointer handle, int transaction, byte[] path);

  static native byte xs_rm(Pointer handle, int transaction, byte[] path);

  static native Pointer xs_get_permissions(
      Pointer handle, int transaction, byte[] path, int[] count);

  static native byte xs_set_permissions(
      Pointer handle, int transaction, byte[] path, int[] permissions, int count);

  static native int xs_transaction_start(Pointer handle);

  static native byte xs_transaction_end(Pointer handle, int transaction, byte abort);

  static native byte xs_watch(Pointer handle, byte[] path, byte[] token);

  static native byte xs_unwatch(Pointer handle, byte[] path, byte[] token);

  static native int xs_fileno(Pointer handle);

  static native Pointer xs_check_watch(Pointer handle);
}
