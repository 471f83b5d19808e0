package io.netchannel.device;

/**
 * What the authority of a device calls a request of its user; means nothing to anybody else.
 *
 * @param slot 0 .. 65535
 * @param sequence 1 or more
 */
public record RequestName(int slot, long sequence) {}
