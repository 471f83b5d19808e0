package io.netchannel.server;

import com.google.common.collect.ImmutableSet;
import io.netchannel.tls.CertificateNames;
import io.netchannel.wire.ExportKind;
import io.netchannel.wire.Names;
import java.util.Optional;

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
 * @param owner the client whose device it is, as one that has left it here while it is elsewhere:
 *     no other gets in, and it has the device in common with whoever uses it on this host by that
 *     name ({@code device.usb.shared}). Empty where it is for whoever comes first
 */
public record Export(
    ExportKind kind,
    String name,
    String source,
    boolean readOnly,
    ImmutableSet<String> allow,
    Optional<String> owner) {
  public Export {
    if (!Names.isExport(name)) {
      throw new IllegalArgumentException(
          "expected a name of up to %d letters, digits, '.', '_' and '-' for an export, found \"%s\""
              .formatted(Names.MAX_EXPORT_BYTES, name));
    }
    if (kind == ExportKind.USB && readOnly) {
      throw new IllegalArgumentException("expected no read-only USB device, found " + name);
    }
    if (owner.isPresent() && !Names.isClient(owner.get())) {
      throw new IllegalArgumentException(
          "expected a client's name as the owner of export %s, found \"%s\""
              .formatted(name, owner.get()));
    }
    allow = allow.stream().map(CertificateNames::canonical).collect(ImmutableSet.toImmutableSet());
  }

  /** A disk. */
  public Export(String name, String source, boolean readOnly, ImmutableSet<String> allow) {
    this(ExportKind.DISK, name, source, readOnly, allow, Optional.empty());
  }

  /** A USB device, which has one user at a time. */
  public static Export usb(String name, String source, ImmutableSet<String> allow) {
    return new Export(ExportKind.USB, name, source, false, allow, Optional.empty());
  }

  /** A USB device that stays on this host while its user is on another one. */
  public static Export staying(
      String name, String source, ImmutableSet<String> allow, String owner) {
    return new Export(ExportKind.USB, name, source, false, allow, Optional.of(owner));
  }
}
