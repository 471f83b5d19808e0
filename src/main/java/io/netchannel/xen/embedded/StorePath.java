package io.netchannel.xen.embedded;

import io.netchannel.xen.XenStoreException;
import io.netchannel.xen.XenStoreException.Reason;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The rules for paths (docs/misc/xenstore.txt; is_valid_nodename in
 * tools/xenstore/xenstored_core.c).
 */
final class StorePath {
  static final String ROOT = "/";
  static final String INTRODUCE_DOMAIN = "@introduceDomain";
  static final String RELEASE_DOMAIN = "@releaseDomain";

  /** XENSTORE_ABS_PATH_MAX and XENSTORE_REL_PATH_MAX of xen/include/public/io/xs_wire.h. */
  private static final int MAX_ABSOLUTE_BYTES = 3072;

  private static final int MAX_RELATIVE_BYTES = 2048;

  private static final Pattern VALID = Pattern.compile("/|(/[-A-Za-z0-9_@]+)+");
  private static final Pattern VALID_SPECIAL = Pattern.compile("@[-/A-Za-z0-9_@]*[-A-Za-z0-9_@]");
  private static final Pattern DOMAIN_PREFIX = Pattern.compile("/local/domain/[0-9]{1,5}/");

  private StorePath() {}

  static void check(String path) {
    require(path, VALID.matcher(path).matches() && fits(path));
  }

  static void checkWatchable(String path) {
    require(
        path,
        isSpecial(path)
            ? VALID_SPECIAL.matcher(path).matches()
            : VALID.matcher(path).matches() && fits(path));
  }

  static boolean isSpecial(String path) {
    return path.startsWith("@");
  }

  /** The parent; empty for the root. */
  static Optional<String> parent(String path) {
    if (path.equals(ROOT)) {
      return Optional.empty();
    }
    int slash = path.lastIndexOf('/');
    return Optional.of(slash == 0 ? ROOT : path.substring(0, slash));
  }

  static String name(String path) {
    return path.substring(path.lastIndexOf('/') + 1);
  }

  static String child(String path, String name) {
    return path.equals(ROOT) ? ROOT + name : path + "/" + name;
  }

  /** Whether {@code path} is {@code ancestor} or lies below it. */
  static boolean isWithin(String path, String ancestor) {
    return ancestor.equals(ROOT)
        ? path.startsWith(ROOT)
        : path.startsWith(ancestor)
            && (path.length() == ancestor.length() || path.charAt(ancestor.length()) == '/');
  }

  private static boolean fits(String path) {
    Matcher prefix = DOMAIN_PREFIX.matcher(path);
    int relative = prefix.lookingAt() ? path.length() - prefix.end() : path.length();
    return path.length() < MAX_ABSOLUTE_BYTES && relative <= MAX_RELATIVE_BYTES;
  }

  private static void require(String path, boolean valid) {
    if (!valid) {
      throw new XenStoreException(
          Reason.INVALID,
          "'%s' is no xenstore path: expected /name/name..., of letters, digits, '-', '_' and '@', not too long"
              .formatted(path));
    }
  }
}
