package io.netchannel.device;

/**
 * What a device is like.
 *
 * @param sizeBytes its size
 * @param logicalBlockBytes the smallest unit of a request: 512 or 4096
 * @param physicalBlockBytes the unit it writes without reading first
 * @param readOnly whether writes are refused
 * @param canFlush whether {@link Device#flush} does something; false only for devices without a
 *     volatile cache
 * @param canDiscard whether {@link Device#discard} works
 * @param discardGranularityBytes the unit of discards; 0 when it cannot
 * @param canZero whether {@link Device#zero} works where it may deallocate; where it may not, some
 *     file systems still say {@link Outcome#UNSUPPORTED}, as only the try can tell
 */
public record DeviceGeometry(
    long sizeBytes,
    int logicalBlockBytes,
    int physicalBlockBytes,
    boolean readOnly,
    boolean canFlush,
    boolean canDiscard,
    int discardGranularityBytes,
    boolean canZero) {
  /** Of a device that is like this one, but for its size. */
  public DeviceGeometry withSize(long otherSizeBytes) {
    return new DeviceGeometry(
        otherSizeBytes,
        logicalBlockBytes,
        physicalBlockBytes,
        readOnly,
        canFlush,
        canDiscard,
        discardGranularityBytes,
        canZero);
  }
}
