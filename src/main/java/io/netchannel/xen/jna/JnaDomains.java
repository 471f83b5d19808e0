package io.netchannel.xen.jna;

import com.sun.jna.Native;
import com.sun.jna.Pointer;
import io.netchannel.xen.Domains;
import io.netchannel.xen.XenException;
import java.nio.ByteBuffer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Asks Xen of domains through libxencall (/dev/xen/hypercall or /dev/xen/privcmd). Where that is
 * not possible it can tell nothing, and everything else works all the same.
 */
public final class JnaDomains implements Domains {
  private static final Logger log = LoggerFactory.getLogger(JnaDomains.class);

  private final NativeHandle handle;

  /** What the handle is of. */
  private final Pointer calls;

  private final Pointer buffer;
  private final GetDomainInfo info;

  /** Never fails: one that can tell nothing is logged with the reason, once. */
  public static Domains open() {
    try {
      return new JnaDomains();
    } catch (XenException e) {
      log.warn("migrations are slower, as nobody tells when a domain suspends: {}", e.getMessage());
      return new Silent();
    }
  }

  private JnaDomains() {
    if (!NativeLibraries.present(LibXenCall.LIBRARY)) {
      throw new XenException(
          NativeLibraries.missing(LibXenCall.LIBRARY, LibXenCall.DEBIAN_PACKAGE));
    }
    Pointer opened = LibXenCall.xencall_open(Pointer.NULL, 0);
    if (opened == null) {
      throw new XenException(
          "cannot open /dev/xen/hypercall or /dev/xen/privcmd: %s; expected a Xen dom0 with the module xen-privcmd (modprobe xen-privcmd)"
              .formatted(LibC.describe(Native.getLastError())));
    }
    calls = opened;
    buffer = LibXenCall.xencall_alloc_buffer(opened, GetDomainInfo.ARGUMENT_BYTES);
    if (buffer == null) {
      String reason = LibC.describe(Native.getLastError());
      LibXenCall.xencall_close(opened);
      throw new XenException("no memory for hypercalls: " + reason);
    }
    handle =
        new NativeHandle(
            opened, this::free, () -> new XenException("hypercalls are closed: open them again"));
    try {
      info =
          GetDomainInfo.probe(this::domctl, buffer.getByteBuffer(0, GetDomainInfo.ARGUMENT_BYTES));
    } catch (XenException e) {
      close();
      throw e;
    }
  }

  /** Within a use of the handle, or before anybody else has it: it must not be entered again. */
  private int domctl(ByteBuffer argument) {
    return LibXenCall.xencall1(calls, GetDomainInfo.HYPERCALL, Pointer.nativeValue(buffer)) == 0
        ? 0
        : Native.getLastError();
  }

  @Override
  public boolean canTell() {
    return true;
  }

  @Override
  public State state(int domid) {
    // All of it while the buffer is there for certain.
    State[] state = {State.UNKNOWN};
    handle.useIfOpen(h -> state[0] = info.state(domid));
    return state[0];
  }

  @Override
  public void close() {
    handle.close();
  }

  private void free(Pointer h) {
    LibXenCall.xencall_free_buffer(h, buffer);
    LibXenCall.xencall_close(h);
  }

  /** Where Xen cannot be asked. */
  private static final class Silent implements Domains {
    @Override
    public boolean canTell() {
      return false;
    }

    @Override
    public State state(int domid) {
      return State.UNKNOWN;
    }

    @Override
    public void close() {}
  }
}
