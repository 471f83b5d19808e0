/**
 * The {@code netchannel} command, in the manner of virsh: {@code COMMAND DOMAIN ...}, tables for
 * people, {@code --format json} for programs, exit code 0 when all went well and 1 with {@code
 * error: ...} on stderr when it did not (also for a command line that cannot be understood, as
 * virsh does; {@code swap}, {@code jobs} and {@code job}, where 1 may be about the job, end with 2
 * then).
 *
 * <p>Start time counts: in a busy control domain every class costs. Commands talk to the daemon
 * with plain JSON over its Unix socket; only {@code daemon}, {@code nbd-export} and {@code demo}
 * load what serves disks, and a command's class is loaded only when it is called.
 */
package io.netchannel.cli;
