package io.netchannel.device.usb;

import com.google.common.collect.ImmutableSet;
import io.netchannel.device.RequestName;
import java.util.Optional;
import java.util.UUID;

/**
 * How a USB device is opened.
 *
 * @param user who uses it; empty for a tool that opens it for a moment
 * @param probe only {@link UsbDevice#port} is wanted: somebody else may be using the device and
 *     must not notice; all URBs complete with NO_DEVICE
 */
public record UsbOpenOptions(Optional<User> user, boolean probe) {

  /**
   * Whoever uses a device, for one that has an authority of its own: of the users that call
   * themselves the same, only the one with the newest generation gets through.
   *
   * @param name stays the same in every life of the same device of the same guest: "uuid/usb0"
   * @param generation 1 or more
   * @param inherited URBs of the generation before that go on at the authority ({@link
   *     UsbDevice#custody}), to be taken up; what else that has of it is unlinked there
   */
  public record User(String name, long generation, ImmutableSet<RequestName> inherited) {
    public User(String name, long generation) {
      this(name, generation, ImmutableSet.of());
    }

    /** A guest, for one device of it. */
    public static User device(
        UUID domain, String device, long generation, ImmutableSet<RequestName> inherited) {
      return new User(deviceName(domain, device), generation, inherited);
    }

    /** The name of such a user. */
    public static String deviceName(UUID domain, String device) {
      return domain + "/" + device;
    }
  }

  /** Without a user of its own. */
  public static final UsbOpenOptions PLAIN = new UsbOpenOptions(Optional.empty(), false);

  /** For a look. */
  public static final UsbOpenOptions PROBE = new UsbOpenOptions(Optional.empty(), true);

  /** For a device of a guest. */
  public static UsbOpenOptions of(User user) {
    return new UsbOpenOptions(Optional.of(user), false);
  }
}
