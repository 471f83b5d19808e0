package io.netchannel.libvirt;

/** A definition names a source for a disk that nobody has expected there, so that it was left. */
public final class OtherSourceException extends MetadataException {
  private static final long serialVersionUID = 1L;

  private final String found;

  /**
   * An unexpected source.
   *
   * @param expected what it should have named
   * @param found what it names
   */
  public OtherSourceException(String target, String expected, String found) {
    super(
        "the XML names %s for %s now, expected %s; it is left as it is"
            .formatted(found, target, expected));
    this.found = found;
  }

  /** What it names. */
  public String found() {
    return found;
  }
}
