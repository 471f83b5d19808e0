package io.netchannel.vdevice.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class VbdNumberTest {
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
    assertThat(VbdNumber.of(target)).isEqualTo(devid);
    assertThat(VbdNumber.target(devid)).isEqualTo(target);
  }

  @Test
  void isReversibleForEveryDisk() {
    for (int index = 16; index < 1 << 20; index += 97) {
      int devid = 1 << 28 | index << 8;
      assertThat(VbdNumber.of(VbdNumber.target(devid))).isEqualTo(devid);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"xvda1", "hda", "sda", "xvd", "xvdA", "xvda ", "xvdzzzzz", ""})
  void refusesWhatIsNoWholeDisk(String target) {
    assertThatThrownBy(() -> VbdNumber.of(target))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("\"" + target + "\"");
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 51713, 768, -1, 268439553, 1 << 29})
  void refusesOtherNumbers(int devid) {
    assertThatThrownBy(() -> VbdNumber.target(devid))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(Integer.toString(devid));
  }
}
