package io.netchannel.libvirt;

/** A domain's XML asks for what cannot be. The message names the domain and says what to change. */
public final class DomainXmlException extends Exception {
  private static final long serialVersionUID = 1L;

  public DomainXmlException(String message) {
    super(message);
  }

  public DomainXmlException(String message, Throwable cause) {
    super(message, cause);
  }
}
