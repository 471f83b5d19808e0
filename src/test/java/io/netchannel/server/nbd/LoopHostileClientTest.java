package io.netchannel.server.nbd;

import java.util.List;

/** The same of the server on event loops. */
final class LoopHostileClientTest extends HostileClientTest {
  @Override
  NbdListener server(List<NbdExport> exports) {
    return LoopServer.of(exports);
  }
}
