/**
 * Threads that a process cannot do without, and what becomes of it when one ends by an error; knows
 * nothing of the product.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>What serves many and can be begun again goes on after any error: {@link
 *       io.netchannel.threads.AcceptLoop}, {@code time.Repeated}.
 *   <li>What cannot ends the process, at once and in words: {@link
 *       io.netchannel.threads.LastResort}. Never is such a thread missing in silence.
 * </ul>
 */
package io.netchannel.threads;
