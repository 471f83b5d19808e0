package io.netchannel.libvirt;

/**
 * What the hook script says to libvirtd.
 *
 * @param exitCode 0 lets the operation go on, anything else stops it
 * @param message printed to stderr: with "migrate" the user sees it; empty when there is nothing to
 *     say
 */
public record HookReply(int exitCode, String message) {
  public static final HookReply OK = new HookReply(0, "");

  /** In one line: libvirt's log has what a hook says as one message. */
  public static HookReply refuse(String message) {
    return new HookReply(1, message.strip().replaceAll("\\s*\\R\\s*", "; "));
  }
}
