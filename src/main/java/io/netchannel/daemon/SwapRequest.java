package io.netchannel.daemon;

import io.netchannel.coordinator.DiskJob;

/**
 * What a person asks for.
 *
 * @param source what becomes the disk
 * @param create whether to make it first
 * @param follows whether the disk follows its guest, which nobody has asked for
 * @param goesTo the host that takes over with it, when the guest goes there; empty when it is
 *     switched here
 * @param isZero whether all of it is known to read as zeros, as of one that was just made
 */
record SwapRequest(
    String source,
    boolean create,
    boolean isZero,
    boolean follows,
    String goesTo,
    DiskJob.Settings settings) {}
