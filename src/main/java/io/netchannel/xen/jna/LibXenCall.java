package io.netchannel.xen.jna;

import com.sun.jna.Pointer;

/** libxencall (xencall.h): hypercalls. Its interface is stable, that of each hypercall is not. */
final class LibXenCall {
  static final String LIBRARY = "libxencall.so.1";
  static final String DEBIAN_PACKAGE = "libxencall1";

  static {
    NativeLibraries.register(LibXenCall.class, LIBRARY, DEBIAN_PACKAGE);
  }

  private LibXenCall() {}

  static native Pointer xencall_open(Pointer logger, int flags);

  static native int xencall_close(Pointer handle);

  static native int xencall1(Pointer handle, int hypercall, long argument);

  static native Pointer xencall_alloc_buffer(Pointer handle, long lengthBytes);

  static native void xencall_free_buffer(Pointer handle, Pointer buffer);
}
