package io.netchannel.server;

import java.time.Instant;

/**
 * That nobody needs what is on an export: the disk of whoever used it last is elsewhere, nobody has
 * it, no copy over it was begun. Another one as soon as any of that has changed, also when it holds
 * again later.
 *
 * @param client whose disk it was
 * @param since when that went
 * @param free since when nobody has the export
 */
public record ExportLeft(String client, Instant since, Instant free) {}
