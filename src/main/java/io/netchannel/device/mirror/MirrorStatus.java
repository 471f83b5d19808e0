package io.netchannel.device.mirror;

import java.time.Duration;

/**
 * A look at a mirror.
 *
 * @param reason why it is paused, or why it was switched by itself; empty when there is none
 * @param leftBytes what may have to be copied yet, in whole regions
 * @param copiedBytes written to the follower by the copier
 * @param zeroBytes that it found to be zeros and did not write as data
 * @param pass which one of the copier's passes goes on
 * @param staleCopies regions whose copy counted for nothing, as the guest had changed them
 * @param heldWrites changes that had to wait for something else than a leg
 * @param longestWait of a change, from its arrival to its answer
 * @param throttled whether answers wait for the follower although it is not in sync, because the
 *     copy would not end otherwise
 */
public record MirrorStatus(
    MirrorState state,
    String reason,
    long leftBytes,
    long copiedBytes,
    long zeroBytes,
    int pass,
    long staleCopies,
    long heldWrites,
    Duration longestWait,
    boolean throttled) {}
