package io.netchannel.libvirt;

import java.io.IOException;
import java.util.UUID;
import java.util.regex.Pattern;
import org.libvirt.Connect;
import org.libvirt.Domain;
import org.libvirt.LibvirtException;
import org.libvirt.TypedParameter;
import org.libvirt.TypedStringParameter;

/**
 * Migrates a running domain, as {@code virsh migrate --live} does: this process connects to both
 * libvirts and carries the migration from one to the other. For commands only, never for a hook.
 */
public final class LibvirtMigration {
  /** As virsh's: a host that says nothing for so long is taken for dead. */
  private static final int KEEPALIVE_SECONDS = 5;

  private static final int KEEPALIVE_COUNT = 6;

  private static final Pattern ID = Pattern.compile("\\d{1,9}");
  private static final Pattern UUIDS =
      Pattern.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}");

  private final String uri;
  private final String destination;

  /**
   * Nothing is connected before it runs.
   *
   * @param uri of this host's libvirt, usually {@link LibvirtEvents#DEFAULT_URI}
   * @param destination of the other one: "xen+ssh://hostb/"
   */
  public LibvirtMigration(String uri, String destination) {
    this.uri = uri;
    this.destination = destination;
  }

  /**
   * Returns when the domain runs at the destination; it is not broken off by an interrupt.
   *
   * @param domain its name, id or UUID
   * @throws IOException with libvirt's words when it does not
   */
  public void run(String domain) throws IOException {
    try {
      LibvirtEventLoop.start();
      Connect source = connect(uri);
      try {
        Connect other = connect(destination);
        try {
          Domain here = find(source, domain);
          Domain moved = here.migrate(other, sameName(here), Domain.MigrateFlags.LIVE);
          if (moved == null) {
            throw new IOException(
                "libvirt at %s does not have domain %s".formatted(destination, domain));
          }
          moved.free();
        } finally {
          other.close();
        }
      } finally {
        source.close();
      }
    } catch (LibvirtException e) {
      throw new IOException("libvirt: " + e.getMessage(), e);
    } catch (LinkageError e) {
      throw new IOException(
          "there is no libvirt library on this host; install libvirt0 (" + e.getMessage() + ")", e);
    }
  }

  /**
   * Says nothing, but says it with parameters: libxl's driver has no other form of migration
   * (libvirt 9.0, libxl_driver.c), and libvirt-java makes no empty array of them.
   */
  private static TypedParameter[] sameName(Domain domain) throws LibvirtException {
    return new TypedParameter[] {
      new TypedStringParameter(
          Domain.DomainMigrateParameters.VIR_MIGRATE_PARAM_DEST_NAME, domain.getName())
    };
  }

  private static Connect connect(String to) throws LibvirtException, IOException {
    try {
      Connect connection = new Connect(to, false);
      if (to.contains("://") && !to.contains(":///")) { // else there is nothing between
        connection.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_COUNT);
      }
      return connection;
    } catch (LibvirtException e) {
      throw new IOException("libvirt at %s: %s".formatted(to, e.getMessage()), e);
    }
  }

  private static Domain find(Connect source, String domain) throws LibvirtException, IOException {
    Domain found;
    if (ID.matcher(domain).matches()) {
      found = source.domainLookupByID(Integer.parseInt(domain));
    } else if (UUIDS.matcher(domain).matches()) {
      found = source.domainLookupByUUID(UUID.fromString(domain));
    } else {
      found = source.domainLookupByName(domain);
    }
    if (found == null) {
      throw new IOException("libvirt has no domain " + domain);
    }
    return found;
  }
}
