package io.netchannel.libvirt;

/**
 * One call of the libxl hook (libvirt docs/hooks.rst).
 *
 * @param domain name of the domain
 * @param operation "migrate", "prepare", "start", "started", "stopped", "release", "reconnect"
 * @param subOperation "begin" or "end"
 * @param extra usually "-"
 * @param xml the domain's XML; empty for "migrate" on libvirt 9.0
 */
public record HookCall(
    String domain, String operation, String subOperation, String extra, String xml) {}
