package io.netchannel.coordinator;

import java.time.Instant;

/**
 * A disk was switched from one source to another: the old one is out of date since, and whoever
 * still has a description that names it is told so.
 *
 * @param at by the wall clock
 */
public record Moved(
    DiskKey disk, String domainName, String oldSource, String newSource, Instant at) {}
