package io.netchannel.device.mirror;

/**
 * A look at a mirror. Counts are of this mirror: after a restart they begin anew.
 *
 * @param reason why it is paused, or why it was switched by itself; empty when there is none
 * @param sizeBytes of the device
 * @param copiedBytes written to the follower by the copier
 * @param zeroBytes that it found to be zeros and did not write as data
 * @param leftBytes what may have to be copied yet, in whole regions
 * @param comparedBytes that were read from both legs and found alike
 * @param uncomparedBytes what has to be compared yet, in whole regions; 0 when nobody has asked
 * @param passes how many of them the copier has begun, of all that it went on after pauses
 * @param staleCopies regions whose copy counted for nothing, as the guest had changed them
 * @param heldWrites changes that had to wait for something else than a leg
 * @param longestWriteMillis of a change, from its arrival to its answer, rounded up
 * @param throttled whether answers wait for the follower although it is not in sync, because the
 *     copy would not end otherwise
 */
public record MirrorStatus(
    MirrorState state,
    String reason,
    long sizeBytes,
    long copiedBytes,
    long zeroBytes,
    long leftBytes,
    long comparedBytes,
    long uncomparedBytes,
    int passes,
    long staleCopies,
    long heldWrites,
    long longestWriteMillis,
    boolean throttled) {}
