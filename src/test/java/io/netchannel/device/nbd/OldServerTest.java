package io.netchannel.device.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.Outcome;
import io.netchannel.device.Requests;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Servers without NBD_OPT_GO are used the old way, or refuse in words. */
@Timeout(60)
final class OldServerTest {
  private static final long SEED = 45;

  @TempDir Path directory;

  @ParameterizedTest
  @EnumSource(names = {"EXPORT_NAME_ONLY", "WITH_ZEROES", "NOT_FIXED"})
  void anExportIsFoundByNbdOptExportName(OldServer.Kind kind) throws Exception {
    byte[] data = new byte[8192];
    new Random(SEED).nextBytes(data);
    try (OldServer server = new OldServer(kind);
        Device device = NbdDevice.open(server.uri(OldServer.NAME), false, NbdPeer.timing())) {
      assertThat(device.geometry())
          .isEqualTo(
              new DeviceGeometry(OldServer.SIZE_BYTES, 512, 4096, false, true, false, 0, false));
      assertThat(Requests.write(device, 512, data)).isEqualTo(Outcome.OK);
      assertThat(Requests.flush(device)).isEqualTo(Outcome.OK);
      assertThat(Requests.read(device, 512, data.length)).isEqualTo(data);
      assertThat(server.options()).endsWith(NbdProtocol.OPT_EXPORT_NAME);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "EXPORT_NAME_ONLY, other, closed the connection when it was asked for the export \"other\"",
    "NOT_FIXED, other, closed the connection when it was asked for the export \"other\"",
    "CLOSES, disk, 'an answer to NBD_OPT_GO, found the connection closed'",
    "WANTS_TLS, disk, it wants TLS",
    "HAS_A_POLICY, disk, its policy forbids that; it says: not on Sundays",
  })
  void aRefusalIsToldInWords(OldServer.Kind kind, String name, String words) throws Exception {
    try (OldServer server = new OldServer(kind)) {
      assertThatThrownBy(() -> NbdDevice.open(server.uri(name), false, NbdPeer.timing()))
          .isInstanceOf(DeviceException.class)
          .hasMessageContaining(server.uri(name))
          .hasMessageContaining(words);
    }
  }

  /** nbdkit can be told to be as old: without fixed newstyle, without the flag for no zeroes. */
  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2})
  void nbdkitServesInTheOldWay(int handshakeFlags) throws Exception {
    try (NbdPeer peer =
            NbdPeer.nbdkit(directory, "--mask-handshake=" + handshakeFlags, "memory", "8M");
        Device device = NbdDevice.open(peer.uri(""), false, NbdPeer.timing())) {
      assertThat(device.geometry().sizeBytes()).isEqualTo(8 << 20);
      DiskLoad load = new DiskLoad(device, 1000, 32, new Random(SEED));
      load.run(2000);
      load.verify();
    }
  }

  @Test
  void oldstyleIsRefusedInWords() {
    assertThatThrownBy(() -> NbdPeer.nbdkit(directory, "--oldstyle", "memory", "8M"))
        .hasMessageContaining("expected a newstyle NBD server, found an older protocol");
  }
}
