package io.netchannel.vdevice.block;

/**
 * What a frontend is told of the disk. Sectors on the ring and in the "sectors" node are always 512
 * bytes (io/blkif.h); {@code sectorBytes} is the logical block size.
 *
 * @param discardGranularityBytes 0 when discards are not offered
 */
public record BlockGeometry(
    long sizeBytes,
    int sectorBytes,
    int physicalSectorBytes,
    boolean readOnly,
    boolean flush,
    int discardGranularityBytes) {}
