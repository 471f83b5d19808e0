package io.netchannel.libvirt;

/**
 * A {@code <disk>} of a domain, which libxl makes.
 *
 * @param target {@code <target dev=>}: "xvda", "hda"
 * @param type {@code <disk type=>}: "block" (libxl's phy), "file", "network", ...
 * @param source {@code <source dev=>} or {@code file=}; empty without one, e.g. an empty CD drive
 */
public record StockDisk(String target, String type, String source, boolean readOnly) {}
