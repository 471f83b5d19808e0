package io.netchannel.xen.jna;

import io.netchannel.xen.XenStoreException;
import io.netchannel.xen.XenStoreException.Reason;

/** From what xenstored answered (an errno) to what a caller can do about it. */
final class Errors {
  private Errors() {}

  static XenStoreException storeFailure(String what, String path, int errno) {
    Reason reason = reason(errno);
    return new XenStoreException(
        reason, "cannot %s %s: %s; %s".formatted(what, path, LibC.describe(errno), advice(reason)));
  }

  static Reason reason(int errno) {
    return switch (errno) {
      case LibC.ENOENT -> Reason.NOT_FOUND;
      case LibC.E2BIG -> Reason.TOO_LARGE;
      case LibC.EAGAIN -> Reason.CONFLICT;
      case LibC.EACCES, LibC.EPERM -> Reason.DENIED;
      case LibC.EINVAL -> Reason.INVALID;
      case LibC.ENOSPC -> Reason.QUOTA;
      default -> Reason.IO;
    };
  }

  private static String advice(Reason reason) {
    return switch (reason) {
      case NOT_FOUND -> "create the node first";
      case TOO_LARGE -> "path and value together may have at most 4096 bytes";
      case CONFLICT -> "others change the same nodes all the time; find out who";
      case DENIED -> "its permissions say no (xenstore-ls -p shows them)";
      case INVALID -> "expected /name/name..., of letters, digits, '-', '_' and '@'";
      case QUOTA -> "the domain's quota is used up; remove what it does not need";
      case IO -> "see whether xenstored runs and what it logged";
    };
  }
}
