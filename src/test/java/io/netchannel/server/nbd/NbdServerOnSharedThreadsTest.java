package io.netchannel.server.nbd;

/** The same where all clients share the threads. */
final class NbdServerOnSharedThreadsTest extends NbdServerTest {
  @Override
  boolean mayWait() {
    return false;
  }
}
