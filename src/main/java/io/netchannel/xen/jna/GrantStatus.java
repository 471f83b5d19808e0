package io.netchannel.xen.jna;

/** GNTST_* in words (xen/include/public/grant_table.h). */
final class GrantStatus {
  private static final String[] WORDS = {
    "okay",
    "general error",
    "no such domain",
    "bad grant reference",
    "bad handle",
    "bad virtual address",
    "bad device address",
    "no space in the I/O MMU",
    "permission denied",
    "bad page",
    "copy crosses a page boundary",
    "page address too big",
    "try again",
    "out of space"
  };

  private GrantStatus() {}

  static String describe(int status) {
    return status <= 0 && -status < WORDS.length
        ? "%s (GNTST %d)".formatted(WORDS[-status], status)
        : "unknown status (GNTST %d)".formatted(status);
  }
}
