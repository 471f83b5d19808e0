package io.netchannel.device.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.Device;
import io.netchannel.device.Outcome;
import io.netchannel.device.Requests;
import io.netchannel.device.nbd.FaultyServer.Fault;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What servers do wrong costs their connection, and no request its outcome. */
@Timeout(120)
final class HostileServerTest {
  private static final long SEED = 45;

  @ParameterizedTest
  @EnumSource(
      mode = EnumSource.Mode.EXCLUDE,
      names = {"NONE", "IO_ERROR"})
  void theNextConnectionGoesOn(Fault fault) throws Exception {
    byte[] data = new byte[4096];
    new Random(SEED).nextBytes(data);
    try (FaultyServer server = new FaultyServer(List.of(fault, fault));
        Device device = NbdDevice.open(server.uri(), false, NbdPeer.timing())) {
      assertThat(Requests.write(device, 8192, data)).isEqualTo(Outcome.OK);
      assertThat(Requests.flush(device)).isEqualTo(Outcome.OK);
      assertThat(Requests.read(device, 8192, data.length)).isEqualTo(data);
      assertThat(Requests.read(device, 0, data.length)).containsOnly(0);
      assertThat(server.connections()).isEqualTo(3);
    }
  }

  /** The server may have forgotten what it could not write, and says so once. */
  @Test
  void aFlushThatFailedStaysFailed() throws Exception {
    try (FaultyServer server = new FaultyServer(List.of(Fault.IO_ERROR))) {
      try (Device device = NbdDevice.open(server.uri(), false, NbdPeer.timing())) {
        assertThat(Requests.flush(device)).isEqualTo(Outcome.IO_ERROR);
        assertThat(Requests.write(device, 0, new byte[512])).isEqualTo(Outcome.OK);
        assertThat(Requests.flush(device)).isEqualTo(Outcome.IO_ERROR);
      }
      try (Device anew = NbdDevice.open(server.uri(), false, NbdPeer.timing())) {
        assertThat(Requests.flush(anew)).isEqualTo(Outcome.OK);
      }
    }
  }
}
