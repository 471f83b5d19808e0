package io.netchannel.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class DeviceOpenerTest {
  @TempDir Path directory;
  private final DeviceOpener opener = new DeviceOpener();

  @AfterEach
  void close() {
    opener.close();
  }

  @Test
  void putsFiltersAroundADevice() throws Exception {
    Path image = image("disk.raw");
    Path trace = directory.resolve("trace.jsonl");
    byte[] data = new byte[1024];
    new Random(1).nextBytes(data);
    String source =
        "trace:%s!delay:write=1ms,flush=1ms!error:read=2!file:%s".formatted(trace, image);
    try (Device device = opener.open(source, false)) {
      assertThat(device.geometry().sizeBytes()).isEqualTo(8192);
      assertThat(Requests.write(device, 512, data)).isEqualTo(Outcome.OK);
      assertThat(Requests.flush(device)).isEqualTo(Outcome.OK);
      assertThat(Requests.read(device, 512, 1024)).isEqualTo(data);
      Outcome second = Requests.await(done -> device.read(512, BlockBuffers.allocate(512), done));
      assertThat(second).isEqualTo(Outcome.IO_ERROR);
    }
    assertThat(Files.readAllLines(trace)).hasSize(2 + 4 * 2).last().asString().contains("close");
  }

  @Test
  void aPathMayContainAnExclamationMark() throws Exception {
    Path image = image("disk!delay:1.raw");
    try (Device device = opener.open("error:write=1!file:" + image, false)) {
      assertThat(Requests.write(device, 0, new byte[512])).isEqualTo(Outcome.IO_ERROR);
    }
  }

  @Test
  void probeTellsTheGeometryAndLeavesNothingOpen() throws Exception {
    Path image = image("disk.raw");
    assertThat(opener.probe("file:" + image, true).readOnly()).isTrue();
    assertThat(opener.probe("file:" + image, false).sizeBytes()).isEqualTo(8192);
  }

  @ParameterizedTest
  @CsvSource({
    "'nbds://localhost/', '\"nbds\" is no known kind'",
    "'netchannel://a/b', '\"netchannel\" is no known kind'",
    "'slow:read=1s!file:/dev/vdb', '\"slow\" is no known kind'",
    "'/dev/vdb', 'does not start with a kind of device'",
    "'', 'does not start with a kind of device'",
    "'delay:read=1s', 'not followed by'",
    "'delay:read=1s!', 'does not start with a kind of device'",
  })
  void saysWhatIsKnown(String source, String words) {
    assertThatThrownBy(() -> opener.open(source, false))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining(words)
        .hasMessageContaining(
            "known devices: file, file+cache, nbd, nbd+unix; known filters: delay, error, trace")
        .hasMessageContaining("\"" + source + "\"");
  }

  @Test
  void optionsAreCheckedBeforeAnythingIsOpened() {
    assertThatThrownBy(() -> opener.check("delay:reed=1s!file:/no/such/file"))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("no option \"reed\"");
    assertThatCode(() -> opener.check("delay:read=1s!file:/no/such/file"))
        .doesNotThrowAnyException();
  }

  @ParameterizedTest
  @CsvSource({
    "file:/dev/vg0/a, file:/dev/vg0/a",
    "file+cache:/dev/vg0/a, file:/dev/vg0/a",
    "delay:read=1s!file+cache:/dev/vg0/a, file:/dev/vg0/a",
    "nbd://ceph/a, nbd://ceph/a",
  })
  void aPlaceHasNeitherFiltersNorACache(String source, String place) throws Exception {
    assertThat(opener.place(source)).isEqualTo(place);
  }

  private Path image(String name) throws Exception {
    Path path = directory.resolve(name);
    Files.write(path, new byte[8192]);
    return path;
  }
}
