package io.netchannel.xen.jna;

import com.sun.jna.Pointer;

/** libxenevtchn (xenevtchn.h). */
final class LibXenEvtchn {
  static final String LIBRARY = "libxenevtchn.so.1";
  static final String DEBIAN_PACKAGE = "libxenevtchn1";

  static {
    NativeLibraries.register(LibXenEvtchn.class, LIBRARY, DEBIAN_PACKAGE);
  }

  private LibXenEvtchn() {}

  static native Pointer xenevtchn_open(Pointer logger, int flags);

  static native int xenevtchn_close(Pointer handle);

  static native int xenevtchn_fd(Pointer handle);

  static native int xenevtchn_notify(Pointer handle, int port);

  static native int xenevtchn_bind_interdomain(Pointer handle, int domid, int remotePort);

  static native int xenevtchn_unbind(Pointer handle, int port);

  static native int xenevtchn_pending(Pointer handle);

  static native int xenevtchn_unmask(Pointer handle, int port);
}
