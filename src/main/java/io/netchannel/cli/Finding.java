package io.netchannel.cli;

/**
 * What one check of {@code netchannel doctor} found.
 *
 * @param check what was looked at
 * @param detail what was found; for WARN and FAIL also what to do
 */
record Finding(Level level, String check, String detail) {
  enum Level {
    OK,
    /** Works, but not for long or not for everything. */
    WARN,
    /** Netchannel does not work. */
    FAIL
  }

  static Finding ok(String check, String detail) {
    return new Finding(Level.OK, check, detail);
  }

  static Finding warn(String check, String detail) {
    return new Finding(Level.WARN, check, detail);
  }

  static Finding fail(String check, String detail) {
    return new Finding(Level.FAIL, check, detail);
  }
}
