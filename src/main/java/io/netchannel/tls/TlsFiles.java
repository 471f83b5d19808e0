package io.netchannel.tls;

import java.nio.file.Path;

/** Where this host's certificates are, all PEM. */
public record TlsFiles(
    Path authority,
    Path serverCertificate,
    Path serverKey,
    Path clientCertificate,
    Path clientKey) {

  /**
   * libvirt's layout under {@code directory}, usually /etc/pki (libvirt.org/kbase/tlscerts.html).
   */
  public static TlsFiles libvirt(Path directory) {
    Path libvirt = directory.resolve("libvirt");
    Path keys = libvirt.resolve("private");
    return new TlsFiles(
        directory.resolve("CA").resolve("cacert.pem"),
        libvirt.resolve("servercert.pem"),
        keys.resolve("serverkey.pem"),
        libvirt.resolve("clientcert.pem"),
        keys.resolve("clientkey.pem"));
  }

  /** One certificate for both ends. */
  public static TlsFiles of(Path authority, Path certificate, Path key) {
    return new TlsFiles(authority, certificate, key, certificate, key);
  }
}
