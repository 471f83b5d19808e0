package io.netchannel.server.nbd;

import java.util.List;

/** The same of the server on event loops. */
final class LoopNbdServerTest extends NbdServerTest {
  @Override
  NbdListener server(List<NbdExport> exports) {
    return LoopServer.of(exports);
  }
}
