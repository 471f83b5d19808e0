package io.netchannel.device;

import java.util.UUID;

/**
 * What a user of a device knows of the storage behind its authority.
 *
 * @param identity changes when the authority's host may have lost what was not flushed
 * @param unflushed whether writes have completed and no flush after them has
 */
public record StorageState(UUID identity, boolean unflushed) {}
