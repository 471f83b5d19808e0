/**
 * Where requests go: the {@link io.netchannel.device.Device} contract and its kinds.
 *
 * <p>{@code device.file} serves regular files and block devices; {@code device.nbd} the exports of
 * NBD servers; {@code device.remote} those of our own device server; {@code device.memory} lends
 * memory for requests' data; {@code device.filter} holds decorators (delay, error, trace), each one
 * small file, as nbdkit has them. A device never sees a ring or a guest.
 *
 * <table>
 * <caption>Zeros, for who copies a device</caption>
 * <tr><th>device</th><th>zero, where a hole will do</th><th>zero, where none may be</th>
 *     <th>extents</th></tr>
 * <tr><td>regular file</td><td>FALLOC_FL_PUNCH_HOLE, else as the next</td>
 *     <td>FALLOC_FL_ZERO_RANGE; tmpfs and some others have none</td><td>SEEK_HOLE</td></tr>
 * <tr><td>block device</td><td>FALLOC_FL_PUNCH_HOLE, else as the next</td>
 *     <td>BLKZEROOUT; the kernel writes where nothing else does it</td><td>all data</td></tr>
 * <tr><td>NBD export</td><td>NBD_CMD_WRITE_ZEROES, if offered</td><td>with NBD_CMD_FLAG_NO_HOLE</td>
 *     <td>all data: block status needs structured replies</td></tr>
 * <tr><td>another host's</td><td colspan="2">ZERO, if its device can and its server has version 2
 *     of the protocol</td><td>EXTENTS, likewise</td></tr>
 * <tr><td>filter</td><td colspan="3">as the device below</td></tr>
 * </table>
 *
 * <p>A disk may be switched from one device to another under its guest. Where a device has an
 * authority of its own, which is another host's server, that is told: {@link
 * io.netchannel.device.Device#moved} to the one that is left, {@link
 * io.netchannel.device.Device#arrived} to the one that was opened {@link
 * io.netchannel.device.OpenOptions#anew} and is the disk now. In between, and for ever if the copy
 * is cut off, neither starts a guest without a word. Files, block devices and NBD servers have
 * none.
 */
package io.netchannel.device;
