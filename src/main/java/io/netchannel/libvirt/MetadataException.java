package io.netchannel.libvirt;

/** A domain's metadata cannot be read or changed. The message says why, and what libvirt said. */
public class MetadataException extends Exception {
  private static final long serialVersionUID = 1L;

  public MetadataException(String message) {
    super(message);
  }

  public MetadataException(String message, Throwable cause) {
    super(message, cause);
  }
}
