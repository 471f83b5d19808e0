package io.netchannel.server.nbd;

/** The same where all clients share the threads. */
final class HostileClientOfSharedThreadsTest extends HostileClientTest {
  @Override
  boolean mayWait() {
    return false;
  }
}
