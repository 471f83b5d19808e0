package io.netchannel.daemon;

/** Something that goes on beside a daemon: begun when hooks and peers are served. */
@FunctionalInterface
public interface Companion {
  /** Begins; what it returns is closed before anything of the daemon is. */
  AutoCloseable begin(DaemonConfiguration configuration, Host host);
}
