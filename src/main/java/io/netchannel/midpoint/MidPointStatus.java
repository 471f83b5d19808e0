package io.netchannel.midpoint;

import io.netchannel.vdevice.VirtualDevice;

/**
 * A look at a mid-point from outside. Counters are since its start; they are read one by one, not
 * as one snapshot.
 *
 * @param generation the one it was started or unsealed with; 0 while EXPECTING
 * @param frontend the frontend's connection
 * @param taken requests taken off the rings
 * @param answered responses given
 * @param pending requests taken and not answered
 * @param replayed requests answered from the replay map
 * @param handedOver entries of manifests made here
 * @param adopted entries of manifests taken over here
 * @param errors responses that were not OKAY
 * @param bytesRead of answered reads, of USB from the device
 * @param bytesWritten of answered writes, of USB to the device
 */
public record MidPointStatus(
    MidPointId id,
    MidPoint.State state,
    long generation,
    VirtualDevice.State frontend,
    long taken,
    long answered,
    int pending,
    long replayed,
    long handedOver,
    long adopted,
    long errors,
    long bytesRead,
    long bytesWritten) {}
