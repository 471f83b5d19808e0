package io.netchannel.device.usb;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.DeviceException;
import io.netchannel.device.SourceFilter;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class UsbOpenerTest {
  private final List<String> seen = new ArrayList<>();

  private final UsbOpener opener =
      new UsbOpener(
          ImmutableMap.of("usb", new Remembered("usb"), "model", new Remembered("model")),
          ImmutableMap.of("slow", this::named, "broken", this::broken));

  /** A kind whose devices say what happens to them. */
  private final class Remembered implements UsbKind {
    private final String scheme;

    Remembered(String scheme) {
      this.scheme = scheme;
    }

    @Override
    public UsbDevice open(String text, UsbOpenOptions options) {
      seen.add("open " + scheme + " " + text);
      return new EmptyPort() {
        @Override
        public void close() {
          seen.add("close " + scheme);
        }
      };
    }

    @Override
    public void check(String text) {
      seen.add("check " + scheme + " " + text);
    }

    @Override
    public long newestGeneration(String text, String user) {
      return 7;
    }
  }

  private SourceFilter<UsbDevice> named(String text) {
    return device -> {
      seen.add("slow " + text);
      return new ForwardingUsbDevice(device) {
        @Override
        public void close() {
          super.close();
          seen.add("unslow " + text);
        }
      };
    };
  }

  private SourceFilter<UsbDevice> broken(String text) {
    return device -> {
      throw new DeviceException("cannot: " + text);
    };
  }

  @Test
  void putsTheOutermostFilterAroundAllOthers() throws Exception {
    opener.open("slow:a!slow:b!usb:1-2!x", UsbOpenOptions.PLAIN).close();
    assertThat(seen)
        .containsExactly("open usb 1-2!x", "slow b", "slow a", "close usb", "unslow b", "unslow a");
  }

  @Test
  void aFilterThatFailsLeavesNothingOpen() {
    assertThatThrownBy(() -> opener.open("broken:x!slow:b!usb:1", UsbOpenOptions.PLAIN))
        .isInstanceOf(DeviceException.class)
        .hasMessage("cannot: x");
    assertThat(seen).containsExactly("open usb 1", "slow b", "close usb", "unslow b");
  }

  @ParameterizedTest
  @CsvSource({
    "'uSb:1', '\"uSb\" is no known kind of device or filter'",
    "'slow:!1-2', '\"1-2\" does not start with a kind of device and a colon'",
    "'', '\"\" does not start with a kind of device and a colon'",
    "'slow:a', 'filter slow is not followed by ''!'' and a device'",
  })
  void saysWhatIsKnown(String source, String words) {
    assertThatThrownBy(() -> opener.check(source))
        .isInstanceOf(DeviceException.class)
        .hasMessage(
            words
                + "; known devices: model, usb; known filters: broken, slow (in the source \"%s\")",
            source);
  }

  @Test
  void checksWithoutOpening() throws Exception {
    opener.check("slow:a!model:keyboard");
    assertThat(seen).containsExactly("check model keyboard");
  }

  @Test
  void aPlaceHasNoFilters() throws Exception {
    assertThat(opener.place("slow:a!usb:1-2")).isEqualTo("usb:1-2");
  }

  @Test
  void givesThePlaceFreeOfTheNewestGenerationOnly() throws Exception {
    assertThat(opener.newestGeneration("usb:1", "u")).isEqualTo(7);
    opener.giveFree("usb:1", UsbOpenOptions.of(new UsbOpenOptions.User("u", 6)));
    assertThat(seen).isEmpty();
    opener.giveFree("usb:1", UsbOpenOptions.of(new UsbOpenOptions.User("u", 7)));
    assertThat(seen).containsExactly("open usb 1", "close usb");
  }

  @Test
  void withoutKindsNothingIsKnown() {
    assertThatThrownBy(() -> new UsbOpener(Map.of(), Map.of()).check("usb:1"))
        .isInstanceOf(DeviceException.class)
        .hasMessageContaining("no known kind");
  }
}
