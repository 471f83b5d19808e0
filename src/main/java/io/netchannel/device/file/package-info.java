/**
 * The {@code file:} device: regular files and block devices of this host.
 *
 * <p>{@link io.netchannel.device.file.FileDevice} runs each request on one of a bounded number of
 * threads with one system call. The calls go to libc directly and not through {@code FileChannel}:
 *
 * <ul>
 *   <li>the JDK's direct I/O wants multiples of the file system's block (4096), while a guest's
 *       disk has sectors of 512 bytes, which the kernel accepts;
 *   <li>the error number is known exactly (ENOSPC, EIO), not as a translated text;
 *   <li>a thread's interrupt does not close the file under everybody else.
 * </ul>
 *
 * <pre>
 *   OPEN --close()--> CLOSING (new requests fail, running ones finish) --last one done--> CLOSED
 *
 *   flush: WORKING --fdatasync failed--> FAILED (for good, as long as the device is open)
 *   discard: OFFERED --EOPNOTSUPP--> REFUSED (for good; only when the probe at open was wrong)
 *   zero:    OFFERED --EOPNOTSUPP--> REFUSED (for good; holes and zeros that keep their storage
 *                                    each by itself: tmpfs has only the former)
 * </pre>
 *
 * <p>A caller with a thread to spare gets {@code onCallersThread}: its requests run there, which
 * saves two hand-overs between threads, each as long as a read from memory.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>A request is completed exactly once, also when the device is closed meanwhile. No close,
 *       the first or another one, returns before the last is: the kernel may write to its memory.
 *   <li>After a failed flush no later flush succeeds: the kernel has marked the pages clean, so a
 *       second fdatasync would report durable what is not.
 *   <li>What is told as a hole reads as zeros: what lseek(2) cannot tell for sure, and what a hole
 *       does not fill, is data.
 *   <li>Nothing is written beyond the size found at open, so a regular file never grows.
 *   <li>Data is never served from a page cache that was filled before the device was opened:
 *       another host may have written since.
 * </ul>
 */
package io.netchannel.device.file;
