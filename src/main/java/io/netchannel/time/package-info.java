/**
 * Time as the whole product uses it; knows nothing of it.
 *
 * <p>Two clocks, and which is for what:
 *
 * <ul>
 *   <li>The wall clock ({@link java.time.Clock}) is for people and for what hosts compare: lines of
 *       timelines and traces, certificates, since when an export is used. It may be stepped at any
 *       moment, by minutes, either way; nothing that is shown is worth more than that.
 *   <li>The monotonic clock ({@code LongSupplier nanoTime}, {@link System#nanoTime}) is for
 *       everything that happens or does not happen by it: bounds, ages, pauses, delays between
 *       attempts. Two readings are compared by their difference. It means nothing to another host
 *       or to the next daemon, so nothing of it is written to a disk: an age begins anew there.
 * </ul>
 */
package io.netchannel.time;
