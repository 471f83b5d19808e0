package io.netchannel.device.filter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.device.BlockBuffers;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Extents;
import io.netchannel.device.Outcome;
import io.netchannel.device.Requests;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class ErrorFilterTest {
  private final HeldDevice device = new HeldDevice();
  private final ByteBuffer data = BlockBuffers.allocate(512);
  private final List<Outcome> outcomes = new ArrayList<>();

  @Test
  void everyNthFailsAndDoesNotReachTheDevice() throws Exception {
    Device failing = ErrorFilter.parse("write=3").around(device);
    for (int i = 0; i < 7; i++) {
      failing.write(512L * i, data, outcomes::add);
    }
    failing.read(0, data, outcomes::add);
    assertThat(outcomes).containsExactly(Outcome.IO_ERROR, Outcome.IO_ERROR);
    assertThat(device.arrived)
        .containsExactly(
            "write 0+512",
            "write 512+512",
            "write 1536+512",
            "write 2048+512",
            "write 3072+512",
            "read 0+512");
  }

  @Test
  void oneFailsAllOfAKindWithTheErrorAskedFor() throws Exception {
    Device failing =
        ErrorFilter.parse("read=1,flush=1,discard=1,zero=1,kind=nospace").around(device);
    failing.read(0, data, outcomes::add);
    failing.flush(outcomes::add);
    failing.discard(0, 4096, outcomes::add);
    failing.zero(0, 4096, true, outcomes::add);
    assertThat(outcomes).hasSize(4).containsOnly(Outcome.NO_SPACE);
    assertThat(device.arrived).isEmpty();
  }

  @Test
  void zeroingIsNoKindOfWriting() throws Exception {
    Device failing = ErrorFilter.parse("write=1").around(device);
    failing.zero(512, 1024, false, outcomes::add);
    failing.zero(0, 4096, true, outcomes::add);
    assertThat(outcomes).isEmpty();
    assertThat(device.arrived).containsExactly("zero 512+1024", "zero 0+4096, a hole will do");
    assertThat(Requests.zeros(failing, 0, 512)).containsExactly(new Extents.Run(0, 512));
  }

  @Test
  void aFractionFailsAboutThatPartAndTheSamePartForASeed() throws Exception {
    List<List<String>> runs = new ArrayList<>();
    for (int run = 0; run < 2; run++) {
      HeldDevice fresh = new HeldDevice();
      Device failing =
          ErrorFilter.parse(run == 0 ? "read=0.25,seed=5" : "read=25%,seed=5").around(fresh);
      for (int i = 0; i < 1000; i++) {
        failing.read(512L * i, data, outcomes::add);
      }
      runs.add(fresh.arrived);
    }
    assertThat(runs.get(0)).hasSizeBetween(650, 850).isEqualTo(runs.get(1));
    assertThat(outcomes).hasSize(2000 - 2 * runs.get(0).size()).containsOnly(Outcome.IO_ERROR);
  }

  @Test
  void closesTheDevice() throws Exception {
    ErrorFilter.parse("read=1").around(device).close();
    assertThat(device.closed).isTrue();
  }

  @ParameterizedTest
  @CsvSource({
    "read=0, neither a whole number from 1",
    "read=0%, neither a whole number from 1",
    "read=1.5, neither a whole number from 1",
    "read=often, neither a whole number from 1",
    "kind=eio, known are io and nospace",
    "reads=1, 'read, write, flush, discard, zero, kind, seed'",
  })
  void saysWhatIsWrongWithItsOptions(String options, String words) {
    assertThatThrownBy(() -> ErrorFilter.parse(options))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("filter error")
        .hasMessageContaining(words);
  }
}
