package io.netchannel.vdevice.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class DiskNameTest {
  /** From docs/man/xen-vbd-interface.7, and what libxl writes. */
  @ParameterizedTest
  @CsvSource({
    "xvda, 51712",
    "xvdb, 51728",
    "xvdp, 51952",
    "xvdq, 268439552",
    "xvdz, 268441856",
    "xvdaa, 268442112",
    "xvdab, 268442368",
    "xvdzz, 268614912",
  })
  void numbersDisksAsXenDoes(String target, int devid) {
    assertThat(DiskName.devid(target)).isEqualTo(devid);
  }

  @ParameterizedTest
  @ValueSource(strings = {"xvd", "xvdA", "xvda ", "xvdzzzzz", ""})
  void refusesWhatIsNoDisk(String target) {
    assertThatThrownBy(() -> DiskName.devid(target))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("\"" + target + "\"");
  }
}
