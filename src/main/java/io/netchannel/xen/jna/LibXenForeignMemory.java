package io.netchannel.xen.jna;

import com.sun.jna.Pointer;

/** libxenforeignmemory (xenforeignmemory.h). */
final class LibXenForeignMemory {
  static final String LIBRARY = "libxenforeignmemory.so.1";
  static final String DEBIAN_PACKAGE = "libxenforeignmemory1";

  static {
    NativeLibraries.register(LibXenForeignMemory.class, LIBRARY, DEBIAN_PACKAGE);
  }

  private LibXenForeignMemory() {}

  static native Pointer xenforeignmemory_open(Pointer logger, int flags);

  static native int xenforeignmemory_close(Pointer handle);

  static native Pointer xenforeignmemory_map(
      Pointer handle, int domid, int protection, long pages, long[] frames, Pointer errors);

  static native int xenforeignmemory_unmap(Pointer handle, Pointer address, long pages);

  static native Pointer xenforeignmemory_map_resource(
      Pointer handle,
      int domid,
      int type,
      int id,
      long frame,
      long frames,
      Pointer address,
      int protection,
      int flags);

  static native int xenforeignmemory_unmap_resource(Pointer handle, Pointer resource);
}
