package io.netchannel.tls;

import com.google.common.net.InetAddresses;
import io.netchannel.files.DurableFile;
import java.io.IOException;
import java.io.Reader;
import java.io.StringWriter;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.spec.ECGenParameterSpec;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.Date;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.sec.ECPrivateKey;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x500.X500NameBuilder;
import org.bouncycastle.asn1.x500.style.BCStyle;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.X509v3CertificateBuilder;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.openssl.jcajce.JcaPEMWriter;
import org.bouncycastle.operator.OperatorCreationException;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.util.io.pem.PemObject;

/**
 * A certificate authority for tests and laboratories, behind `netchannel pki`: EC P-256, in
 * libvirt's layout. Its key lies unencrypted beside its certificate.
 */
public final class TestCertificateAuthority {
  private static final String CURVE = "secp256r1";
  private static final int CURVE_BITS = 256;
  private static final String SIGNATURE = "SHA256withECDSA";

  /** Clocks of two hosts may differ; a certificate is valid from a little before it was made. */
  private static final Duration SKEW = Duration.ofHours(1);

  private static final Duration VALIDITY = Duration.ofDays(3650);

  /** Long enough never to meet again, RFC 5280 section 4.1.2.2 allows 20 octets. */
  private static final int SERIAL_BITS = 128;

  private final Clock clock;
  private final SecureRandom random;

  public TestCertificateAuthority(Clock clock, SecureRandom random) {
    this.clock = clock;
    this.random = random;
  }

  /**
   * Makes an authority: {@code CA/cacert.pem} and {@code CA/private/cakey.pem}.
   *
   * @throws IOException also when there is one already
   */
  public void init(Path directory) throws IOException {
    Path certificateFile = TlsFiles.libvirt(directory).authority();
    if (Files.exists(certificateFile)) {
      throw new IOException(certificateFile + " exists; remove it to make a new authority");
    }
    try {
      KeyPair keys = generate();
      X500Name name = name("Netchannel test authority");
      X509v3CertificateBuilder builder = builder(name, name, keys, VALIDITY);
      builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(true));
      builder.addExtension(
          Extension.keyUsage, true, new KeyUsage(KeyUsage.keyCertSign | KeyUsage.cRLSign));
      writeSecret(authorityKey(directory), keys);
      write(certificateFile, sign(builder, keys.getPrivate()));
    } catch (GeneralSecurityException | OperatorCreationException e) {
      throw new IOException("cannot make an authority: " + e.getMessage(), e);
    }
  }

  /**
   * Makes a host's files under {@code directory}, ready to be copied to its /etc/pki.
   *
   * @param authority where {@link #init} was done
   * @param names DNS names and addresses of the host, the first is its common name
   */
  public void host(Path authority, Path directory, String... names) throws IOException {
    host(authority, directory, VALIDITY, names);
  }

  /**
   * As {@link #host(Path, Path, String...)}.
   *
   * @param validity from now; negative for a certificate that has expired
   */
  public void host(Path authority, Path directory, Duration validity, String... names)
      throws IOException {
    if (names.length == 0) {
      throw new IllegalArgumentException("a host needs at least one name or address");
    }
    TlsFiles files = TlsFiles.libvirt(directory);
    Path authorityCertificate = TlsFiles.libvirt(authority).authority();
    try {
      X509CertificateHolder issuer = readCertificate(authorityCertificate);
      PrivateKey issuerKey = readKey(authorityKey(authority));
      KeyPair keys = generate();
      X509v3CertificateBuilder builder =
          builder(issuer.getSubject(), name(names[0]), keys, validity);
      builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(false));
      // libvirt and QEMU want both, whatever the kind of key.
      builder.addExtension(
          Extension.keyUsage,
          true,
          new KeyUsage(KeyUsage.digitalSignature | KeyUsage.keyEncipherment));
      builder.addExtension(
          Extension.extendedKeyUsage,
          false,
          new ExtendedKeyUsage(
              new KeyPurposeId[] {KeyPurposeId.id_kp_serverAuth, KeyPurposeId.id_kp_clientAuth}));
      builder.addExtension(Extension.subjectAlternativeName, false, alternatives(names));
      X509CertificateHolder certificate = sign(builder, issuerKey);
      writeSecret(files.serverKey(), keys);
      writeSecret(files.clientKey(), keys);
      write(files.serverCertificate(), certificate);
      write(files.clientCertificate(), certificate);
      if (!files.authority().equals(authorityCertificate)) {
        write(files.authority(), issuer);
      }
    } catch (NoSuchFileException e) {
      throw new IOException(
          e.getFile() + " is missing; make an authority first: netchannel pki init " + authority,
          e);
    } catch (GeneralSecurityException | OperatorCreationException e) {
      throw new IOException("cannot make certificates: " + e.getMessage(), e);
    }
  }

  private KeyPair generate() throws GeneralSecurityException {
    KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
    generator.initialize(new ECGenParameterSpec(CURVE), random);
    return generator.generateKeyPair();
  }

  private X509v3CertificateBuilder builder(
      X500Name issuer, X500Name subject, KeyPair keys, Duration validity) {
    Instant now = clock.instant();
    Instant end = now.plus(validity);
    Instant begin = (end.isBefore(now) ? end : now).minus(SKEW);
    return new JcaX509v3CertificateBuilder(
        issuer,
        new BigInteger(SERIAL_BITS, random).setBit(0),
        Date.from(begin),
        Date.from(end),
        subject,
        keys.getPublic());
  }

  private static X509CertificateHolder sign(X509v3CertificateBuilder builder, PrivateKey key)
      throws OperatorCreationException {
    return builder.build(new JcaContentSignerBuilder(SIGNATURE).build(key));
  }

  private static X500Name name(String commonName) {
    return new X500NameBuilder().addRDN(BCStyle.CN, commonName).build();
  }

  private static GeneralNames alternatives(String... names) {
    return new GeneralNames(
        Arrays.stream(names)
            .map(
                name ->
                    new GeneralName(
                        InetAddresses.isInetAddress(name)
                            ? GeneralName.iPAddress
                            : GeneralName.dNSName,
                        name))
            .toArray(GeneralName[]::new));
  }

  private static Path authorityKey(Path directory) {
    return directory.resolve("CA").resolve("private").resolve("cakey.pem");
  }

  private static X509CertificateHolder readCertificate(Path file) throws IOException {
    try (Reader reader = Files.newBufferedReader(file);
        PEMParser parser = new PEMParser(reader)) {
      if (parser.readObject() instanceof X509CertificateHolder certificate) {
        return certificate;
      }
      throw new IOException("expected a PEM certificate in " + file);
    }
  }

  private static PrivateKey readKey(Path file) throws IOException {
    try (Reader reader = Files.newBufferedReader(file);
        PEMParser parser = new PEMParser(reader)) {
      if (parser.readObject() instanceof PrivateKeyInfo key) {
        return new JcaPEMKeyConverter().getPrivateKey(key);
      }
      throw new IOException("expected a PKCS#8 private key in " + file);
    }
  }

  private static void write(Path file, X509CertificateHolder certificate) throws IOException {
    Files.createDirectories(file.getParent());
    DurableFile.write(
        file, pem(certificate).getBytes(StandardCharsets.US_ASCII), DurableFile.READABLE);
  }

  /** For its owner's eyes only, from the first byte on. */
  private static void writeSecret(Path file, KeyPair keys) throws IOException {
    Files.createDirectories(
        file.getParent(),
        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    DurableFile.write(
        file, pem(withPublicKey(keys)).getBytes(StandardCharsets.US_ASCII), DurableFile.PRIVATE);
  }

  /** GnuTLS, and with it libvirt and QEMU, reads no other; Java leaves it out (RFC 5915). */
  private static PrivateKeyInfo withPublicKey(KeyPair keys) throws IOException {
    PrivateKeyInfo plain = PrivateKeyInfo.getInstance(keys.getPrivate().getEncoded());
    SubjectPublicKeyInfo known = SubjectPublicKeyInfo.getInstance(keys.getPublic().getEncoded());
    ECPrivateKey secret = ECPrivateKey.getInstance(plain.parsePrivateKey());
    return new PrivateKeyInfo(
        plain.getPrivateKeyAlgorithm(),
        new ECPrivateKey(CURVE_BITS, secret.getKey(), known.getPublicKeyData(), null));
  }

  private static String pem(Object object) throws IOException {
    StringWriter text = new StringWriter();
    try (JcaPEMWriter writer = new JcaPEMWriter(text)) {
      if (object instanceof PrivateKeyInfo key) {
        // As PKCS#8; by itself the writer chooses SEC 1.
        writer.writeObject(new PemObject("PRIVATE KEY", key.getEncoded()));
      } else {
        writer.writeObject(object);
      }
    }
    return text.toString();
  }
}
