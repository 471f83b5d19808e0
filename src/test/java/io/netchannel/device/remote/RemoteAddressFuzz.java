package io.netchannel.device.remote;

import io.netchannel.device.DeviceException;
import java.nio.charset.StandardCharsets;

/**
 * A target for any fuzzer: whatever the text of a source is, it is refused in words, or understood
 * and then written in a way that is understood as the same.
 */
public final class RemoteAddressFuzz {
  private RemoteAddressFuzz() {}

  public static void fuzzerTestOneInput(byte[] input) {
    String text = new String(input, StandardCharsets.UTF_8);
    RemoteAddress address;
    try {
      address = parse(text);
    } catch (DeviceException refused) {
      if (!refused.getMessage().contains("expected")) {
        throw new AssertionError("no plain words", refused);
      }
      return;
    }
    try {
      String again = address.toString();
      if (!parse(again.substring(again.indexOf(':') + 1)).equals(address)) {
        throw new AssertionError("%s is read as another address".formatted(again));
      }
    } catch (DeviceException e) {
      throw new AssertionError("its own text is refused", e);
    }
  }

  private static RemoteAddress parse(String text) throws DeviceException {
    return text.startsWith("///") ? RemoteAddress.parseUnix(text) : RemoteAddress.parseTcp(text);
  }
}
