package io.netchannel.libvirt;

import java.io.IOException;
import org.libvirt.Connect;
import org.libvirt.Domain;
import org.libvirt.LibvirtException;

/**
 * Asks libvirt for a domain's XML. For commands only, never for a hook: libvirtd waits for the
 * hook, so that both would wait for ever.
 */
public final class LibvirtDomains {
  private final String uri;

  /**
   * Nothing is connected before the first question.
   *
   * @param uri usually {@link LibvirtEvents#DEFAULT_URI}
   */
  public LibvirtDomains(String uri) {
    this.uri = uri;
  }

  /**
   * The XML of a domain, running or not.
   *
   * @throws IOException with plain words when there is no such domain, or libvirt does not answer
   */
  public String xml(String domain) throws IOException {
    try {
      LibvirtEventLoop.start();
      Connect connection = new Connect(uri, true);
      try {
        Domain found = connection.domainLookupByName(domain);
        if (found == null) {
          throw new IOException("libvirt at %s has no domain %s".formatted(uri, domain));
        }
        return found.getXMLDesc(0);
      } finally {
        connection.close();
      }
    } catch (LibvirtException e) {
      throw new IOException(
          "libvirt at %s, asked for domain %s: %s".formatted(uri, domain, e.getMessage()), e);
    } catch (LinkageError e) {
      throw new IOException(
          "there is no libvirt library on this host; install libvirt0 (" + e.getMessage() + ")", e);
    }
  }
}
