package io.netchannel.xen.jna;

import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import io.netchannel.xen.XenException;

/** Binds classes with native methods to shared libraries (JNA direct mapping, the fast kind). */
final class NativeLibraries {
  private NativeLibraries() {}

  /**
   * @param debianPackage the package that has the library on Debian 12
   * @throws XenException when the library is missing
   */
  static void register(Class<?> binding, String library, String debianPackage) {
    try {
      Native.register(binding, NativeLibrary.getInstance(library));
    } catch (UnsatisfiedLinkError e) {
      throw new XenException(missing(library, debianPackage), e);
    }
  }

  /** Whether the dynamic linker finds the library. */
  static boolean present(String library) {
    try {
      NativeLibrary.getInstance(library);
      return true;
    } catch (UnsatisfiedLinkError e) {
      return false;
    }
  }

  static String missing(String library, String debianPackage) {
    return "%s is missing or does not load: install the package %s"
        .formatted(library, debianPackage);
  }
}
