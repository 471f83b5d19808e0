package io.netchannel.xen.jna;

import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;

/** Native calls that only tests need. */
final class TestLibC {
  static {
    Native.register(TestLibC.class, "c");
  }

  private TestLibC() {}

  /** Java has no way to change the environment that libxenstore reads. */
  static native int setenv(String name, String value, int overwrite);

  static native int mkfifo(String path, int mode);

  /** xs_introduce_domain of xenstore.h: tells xenstored that a domain has a ring. */
  static boolean introduceDomain(Pointer handle, int domid, long frame, int port) {
    Object[] arguments = {handle, domid, frame, port};
    Object result =
        NativeLibrary.getInstance(LibXenStore.LIBRARY)
            .getFunction("xs_introduce_domain")
            .invoke(byte.class, arguments);
    return ((Byte) result) != 0;
  }
}
