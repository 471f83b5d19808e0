package io.netchannel.daemon;

/** Which Netchannel this is. */
public final class ProductVersion {
  private ProductVersion() {}

  /** The version in the jar's manifest; "development" when run from class files. */
  public static String get() {
    String version = ProductVersion.class.getPackage().getImplementationVersion();
    return version == null ? "development" : version;
  }
}
