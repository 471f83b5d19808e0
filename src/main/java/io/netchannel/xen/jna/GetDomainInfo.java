package io.netchannel.xen.jna;

import io.netchannel.xen.Domains;
import io.netchannel.xen.XenException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The operation XEN_DOMCTL_getdomaininfo as bytes (xen/include/public/domctl.h):
 *
 * <pre>
 *   struct xen_domctl                                struct xen_domctl_getdomaininfo
 *   0    4                  8       10     16        16      18     20
 *   cmd  interface_version  domain  0 (6)  u ------> domain  0 (2)  flags (32) ...
 * </pre>
 *
 * What is read here was the same in all versions we have looked at, from 0xf on. Xen refuses any
 * version but its own, and that number changes with other operations: it is probed, once.
 */
final class GetDomainInfo {
  private static final Logger log = LoggerFactory.getLogger(GetDomainInfo.class);

  /** __HYPERVISOR_domctl of xen.h. */
  static final int HYPERCALL = 36;

  /** Xen copies a whole struct xen_domctl, which has 144 bytes; a page leaves room for more. */
  static final int ARGUMENT_BYTES = 4096;

  /** Xen 4.17 has 0x15; what is older than this is out of support by years. */
  static final int FIRST_VERSION = 0x11;

  /** Xen 4.19 has 0x17. */
  static final int LAST_VERSION = 0x20;

  private static final int COMMAND = 5;
  private static final int VERSION_OFFSET = 4;
  private static final int DOMAIN_OFFSET = 8;
  private static final int FOUND_DOMAIN_OFFSET = 16;
  private static final int FLAGS_OFFSET = 20;

  private static final int DYING = 1;
  private static final int SHUTDOWN = 1 << 2;
  private static final int REASON_SHIFT = 16;
  private static final int REASON_MASK = 255;

  /** SHUTDOWN_suspend of sched.h. */
  private static final int REASON_SUSPEND = 2;

  /** DOMID_FIRST_RESERVED of xen.h: from there on they mean something else. */
  private static final int FIRST_RESERVED_DOMID = 0x7ff0;

  private static final int ESRCH = 3;

  /** Does the hypercall {@link #HYPERCALL} with an argument. */
  @FunctionalInterface
  interface Domctl {
    /**
     * Returns 0, or the errno.
     *
     * @param argument {@link #ARGUMENT_BYTES}, little endian; Xen writes its answer there
     */
    int call(ByteBuffer argument);
  }

  private final Domctl domctl;
  private final int version;
  private final ByteBuffer argument;
  private final AtomicBoolean refusalLogged = new AtomicBoolean();

  private GetDomainInfo(Domctl domctl, ByteBuffer argument, int version) {
    this.domctl = domctl;
    this.argument = argument;
    this.version = version;
  }

  /**
   * Finds the version that this Xen takes, by asking for domain 0, which is always there.
   *
   * @param argument memory for hypercalls, used from now on by this object only
   * @throws XenException when it takes none, or does not let us ask
   */
  static GetDomainInfo probe(Domctl domctl, ByteBuffer argument) {
    argument.order(ByteOrder.LITTLE_ENDIAN);
    for (int version = FIRST_VERSION; version <= LAST_VERSION; version++) {
      GetDomainInfo candidate = new GetDomainInfo(domctl, argument, version);
      int errno = candidate.ask(0);
      if (errno == 0) {
        log.debug("domctl interface version 0x{}", Integer.toHexString(version));
        return candidate;
      }
      if (errno != LibC.EACCES) {
        throw new XenException(
            "Xen does not tell of domain 0: %s; expected the control domain, run the daemon there"
                .formatted(LibC.describe(errno)));
      }
    }
    throw new XenException(
        "Xen takes none of the domctl interface versions 0x%x to 0x%x: expected Xen 4.17 or one of about its age"
            .formatted(FIRST_VERSION, LAST_VERSION));
  }

  int version() {
    return version;
  }

  /** One hypercall; unknown also when Xen refuses, which is logged once. */
  synchronized Domains.State state(int domid) {
    if (domid < 0 || domid >= FIRST_RESERVED_DOMID) {
      return Domains.State.UNKNOWN;
    }
    int errno = ask(domid);
    if (errno != 0) {
      if (errno != ESRCH && refusalLogged.compareAndSet(false, true)) {
        log.warn("Xen does not tell of domain {}: {}", domid, LibC.describe(errno));
      }
      return Domains.State.UNKNOWN;
    }
    // Older Xen answers for the next domain when there is none of this number.
    int found = Short.toUnsignedInt(argument.getShort(FOUND_DOMAIN_OFFSET));
    return found == domid ? state(argument) : Domains.State.UNKNOWN;
  }

  private int ask(int domid) {
    for (int i = 0; i < FOUND_DOMAIN_OFFSET; i += Long.BYTES) {
      argument.putLong(i, 0);
    }
    argument.putInt(0, COMMAND);
    argument.putInt(VERSION_OFFSET, version);
    argument.putShort(DOMAIN_OFFSET, (short) domid);
    return domctl.call(argument);
  }

  private static Domains.State state(ByteBuffer answer) {
    int flags = answer.getInt(FLAGS_OFFSET);
    if ((flags & DYING) != 0) {
      return Domains.State.ENDED;
    }
    if ((flags & SHUTDOWN) == 0) {
      return Domains.State.RUNNING;
    }
    return (flags >>> REASON_SHIFT & REASON_MASK) == REASON_SUSPEND
        ? Domains.State.SUSPENDED
        : Domains.State.ENDED;
  }
}
