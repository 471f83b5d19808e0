package io.netchannel.xen.jna;

import com.sun.jna.Pointer;

/** libxengnttab (xengnttab.h). */
final class LibXenGnttab {
  static final String LIBRARY = "libxengnttab.so.1";
  static final String DEBIAN_PACKAGE = "libxengnttab1";

  static {
    NativeLibraries.register(LibXenGnttab.class, LIBRARY, DEBIAN_PACKAGE);
  }

  private LibXenGnttab() {}

  static native Pointer xengnttab_open(Pointer logger, int flags);

  static native int xengnttab_close(Pointer handle);

  static native Pointer xengnttab_map_domain_grant_refs(
      Pointer handle, int count, int domid, int[] references, int protection);

  static native int xengnttab_unmap(Pointer handle, Pointer start, int count);

  static native int xengnttab_grant_copy(Pointer handle, int count, Pointer segments);
}
