package io.netchannel.device;

import com.google.common.collect.ImmutableList;

/**
 * What the user of the generation before has left to the authority of a device.
 *
 * @param writes in any order, no slot twice
 */
public record Inheritance(StorageState storage, ImmutableList<RequestName> writes) {}
