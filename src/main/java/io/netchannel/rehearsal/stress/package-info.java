/**
 * {@code netchannel stress}: whether a daemon keeps to its memory when every disk wants more than
 * there is.
 *
 * <pre>
 *   Stress: one daemon on a model host, a second one to migrate to
 *      |
 *      +- StressGuest, as many as wanted: 1 MiB requests, as many as the ring holds
 *      |     |  all busy --> every fourth one idle --> all busy
 *      |     v
 *      |  StressDevice: holds each request for a moment, knows its guest's bytes
 *      |
 *      +- a few model guests with verified I/O, which all migrate at once in the middle
 * </pre>
 *
 * Invariants:
 *
 * <ul>
 *   <li>What is measured is the daemon as it is served to guests: hooks, rings, mid-points.
 *   <li>A guest's memory is some pages, used by all of its requests: what the process takes is what
 *       Netchannel takes.
 *   <li>Each guest's data is marked: memory that is lent to two guests at once shows.
 * </ul>
 */
package io.netchannel.rehearsal.stress;
