package io.netchannel.libvirt;

/** Answers hook calls; called on one thread per call, may block within the hook's bound. */
@FunctionalInterface
public interface HookHandler {
  HookReply handle(HookCall call);
}
