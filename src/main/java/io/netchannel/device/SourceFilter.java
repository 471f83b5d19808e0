package io.netchannel.device;

/** A filter with its options read, to be put around a device. */
@FunctionalInterface
public interface SourceFilter<D extends Backend> {

  /** Reads the options of a filter. */
  @FunctionalInterface
  interface Kind<D extends Backend> {
    /**
     * Reads them.
     *
     * @param text what follows the filter's name and its colon
     */
    SourceFilter<D> parse(String text) throws DeviceException;
  }

  /**
   * Puts the filter around {@code device}, which is closed with it; it stays open when this throws.
   */
  D around(D device) throws DeviceException;
}
