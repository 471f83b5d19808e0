package io.netchannel.demo.report;

/**
 * One thing that must hold.
 *
 * @param name what, as a sentence
 * @param detail figures that show it, or what was found instead
 */
public record Verdict(String name, boolean holds, String detail) {}
