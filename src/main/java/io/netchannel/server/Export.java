package io.netchannel.server;

import com.google.common.collect.ImmutableSet;
import io.netchannel.tls.CertificateNames;
import io.netchannel.wire.ExportKind;
import io.netchannel.wire.Names;

/**
 * A device of this host that others may use.
 *
 * @param kind what it is
 * @param name after the slash in "netchannel://host/name"
 * @param source the device, as {@link io.netchannel.device.Devices} opens it, or {@link
 *     io.netchannel.device.usb.UsbOpener}
 * @param readOnly whether nobody may write; then many may read at the same time
 * @param allow names of which a client's certificate must prove one, as {@link CertificateNames}
 *     has them; empty admits nobody but this host itself, whose disk it is
 */
public record Export(
    ExportKind kind, String name, String source, boolean readOnly, ImmutableSet<String> allow) {
  public Export {
    if (!Names.isExport(name)) {
      throw new IllegalArgumentException(
          "expected a name of up to %d letters, digits, '.', '_' and '-' for an export, found \"%s\""
              .formatted(Names.MAX_EXPORT_BYTES, name));
    }
    if (kind == ExportKind.USB && readOnly) {
      throw new IllegalArgumentException("expected no read-only USB device, found " + name);
    }
    allow = allow.stream().map(CertificateNames::canonical).collect(ImmutableSet.toImmutableSet());
  }

  /** A disk. */
  public Export(String name, String source, boolean readOnly, ImmutableSet<String> allow) {
    this(ExportKind.DISK, name, source, readOnly, allow);
  }

  /** A USB device, which has one user at a time. */
  public static Export usb(String name, String source, ImmutableSet<String> allow) {
    return new Export(ExportKind.USB, name, source, false, allow);
  }
}
