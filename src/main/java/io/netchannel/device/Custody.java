package io.netchannel.device;

import com.google.common.collect.ImmutableMap;

/**
 * What the authority of a device has of its user at one moment.
 *
 * @param writes whose outcome the next generation can ask for, by the completions they were
 *     submitted with; whatever else is outstanding is finished too or never done, and nobody learns
 *     which
 */
public record Custody(StorageState storage, ImmutableMap<Completion, RequestName> writes) {}
