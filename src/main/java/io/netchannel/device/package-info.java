/**
 * Where requests go: the {@link io.netchannel.device.Device} contract and its kinds.
 *
 * <p>{@code device.file} serves regular files and block devices; {@code device.nbd} the exports of
 * NBD servers; {@code device.memory} lends memory for requests' data; {@code device.filter} holds
 * decorators (delay, error, trace), each one small file, as nbdkit has them. A device never sees a
 * ring or a guest.
 */
package io.netchannel.device;
