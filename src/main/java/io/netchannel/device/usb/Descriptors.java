package io.netchannel.device.usb;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSortedSet;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Optional;

/**
 * A device's descriptors: the device descriptor of 18 bytes, then each configuration's with all
 * that belongs to it, little endian. As in sysfs ("descriptors" of a device; USB 2.0, 9.6) and as
 * read from usbfs. What kinds of descriptors are not known here are passed over; a device may send
 * anything, so one that is cut off or of no length ends what is believed.
 */
public final class Descriptors {
  private static final int DEVICE = 1;
  private static final int CONFIGURATION = 2;
  private static final int INTERFACE = 4;
  private static final int ENDPOINT = 5;

  private static final int DEVICE_BYTES = 18;
  private static final int CONFIGURATION_BYTES = 9;
  private static final int INTERFACE_BYTES = 9;
  private static final int ENDPOINT_BYTES = 7;

  /**
   * One configuration.
   *
   * @param value what SET_CONFIGURATION takes for it
   * @param interfaces each alternate setting of each interface, in their order
   */
  public record Configuration(int value, ImmutableList<Interface> interfaces) {}

  /**
   * One alternate setting of an interface.
   *
   * @param usbClass bInterfaceClass, as 0x08 for mass storage
   */
  public record Interface(
      int number,
      int alternate,
      int usbClass,
      int subclass,
      int protocol,
      ImmutableList<Endpoint> endpoints) {}

  /**
   * One endpoint.
   *
   * @param address with {@link Urb#IN}
   * @param maxPacketBytes of one packet; at high speed a frame may have up to three (bits 11, 12 of
   *     wMaxPacketSize), which {@code packetsPerFrame} counts
   * @param interval bInterval as it is
   */
  public record Endpoint(
      int address, UrbType type, int maxPacketBytes, int packetsPerFrame, int interval) {
    private static final long FRAME_NANOS = 1_000_000;
    private static final long MICROFRAME_NANOS = 125_000;

    /** Of an isochronous endpoint: from one packet to the next (USB 2.0, 9.6.6). */
    public long isochronousNanos(UsbSpeed speed) {
      long unit = speed == UsbSpeed.HIGH ? MICROFRAME_NANOS : FRAME_NANOS;
      return unit << (Math.min(Math.max(interval, 1), 16) - 1);
    }
  }

  private final byte[] bytes;
  private final ImmutableList<Configuration> configurations;

  private Descriptors(byte[] bytes) {
    this.bytes = bytes;
    configurations = new Parser().parse();
  }

  /**
   * Of these bytes.
   *
   * @throws IllegalArgumentException when they do not begin with a device descriptor
   */
  public static Descriptors of(byte[] bytes) {
    if (bytes.length < DEVICE_BYTES || bytes[0] != DEVICE_BYTES || bytes[1] != DEVICE) {
      throw new IllegalArgumentException(
          "expected a USB device descriptor of %d bytes, found %d bytes that begin otherwise"
              .formatted(DEVICE_BYTES, bytes.length));
    }
    return new Descriptors(bytes.clone());
  }

  /** All of them as they are; a copy. */
  public byte[] bytes() {
    return bytes.clone();
  }

  /** The version of USB in binary-coded decimals, as 0x0200. */
  public int usbVersion() {
    return unsignedShort(2);
  }

  /** bDeviceClass; 0 where each interface has one of its own. */
  public int usbClass() {
    return unsigned(4);
  }

  public int vendor() {
    return unsignedShort(8);
  }

  public int product() {
    return unsignedShort(10);
  }

  public ImmutableList<Configuration> configurations() {
    return configurations;
  }

  /** The configuration with this value. */
  public Optional<Configuration> configuration(int value) {
    return configurations.stream().filter(one -> one.value() == value).findFirst();
  }

  /** Numbers of the interfaces of a configuration, in order; none of one that does not exist. */
  public ImmutableSortedSet<Integer> interfaceNumbers(int value) {
    return configuration(value).stream()
        .flatMap(one -> one.interfaces().stream())
        .map(Interface::number)
        .collect(ImmutableSortedSet.toImmutableSortedSet(Comparator.naturalOrder()));
  }

  private int unsigned(int index) {
    return Byte.toUnsignedInt(bytes[index]);
  }

  private int unsignedShort(int index) {
    return unsigned(index) | unsigned(index + 1) << 8;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Descriptors that && Arrays.equals(bytes, that.bytes);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(bytes);
  }

  /** As {@code lsusb} writes it: "1209:0003". */
  @Override
  public String toString() {
    return "%04x:%04x".formatted(vendor(), product());
  }

  /** Goes through them once. */
  private final class Parser {
    private final ImmutableList.Builder<Configuration> found = ImmutableList.builder();
    private ImmutableList.Builder<Interface> interfaces = ImmutableList.builder();
    private ImmutableList.Builder<Endpoint> endpoints = ImmutableList.builder();
    private int configuration = -1;
    private int settings = -1;

    ImmutableList<Configuration> parse() {
      int at = DEVICE_BYTES;
      while (at + 2 <= bytes.length) {
        int length = unsigned(at);
        if (length < 2 || at + length > bytes.length) {
          break;
        }
        switch (unsigned(at + 1)) {
          case CONFIGURATION -> {
            endConfiguration();
            configuration = length < CONFIGURATION_BYTES ? -1 : at;
          }
          case INTERFACE -> {
            endInterface();
            settings = length < INTERFACE_BYTES || configuration < 0 ? -1 : at;
          }
          case ENDPOINT -> {
            if (length >= ENDPOINT_BYTES && settings >= 0) {
              endpoints.add(endpoint(at));
            }
          }
          default -> {
            // Of a class, or of a newer USB: whoever needs it has the bytes.
          }
        }
        at += length;
      }
      endConfiguration();
      return found.build();
    }

    private Endpoint endpoint(int at) {
      int packet = unsignedShort(at + 4);
      return new Endpoint(
          unsigned(at + 2),
          type(unsigned(at + 3) & 3),
          packet & 0x7ff,
          1 + (packet >> 11 & 3),
          unsigned(at + 6));
    }

    private void endInterface() {
      if (settings >= 0) {
        interfaces.add(
            new Interface(
                unsigned(settings + 2),
                unsigned(settings + 3),
                unsigned(settings + 5),
                unsigned(settings + 6),
                unsigned(settings + 7),
                endpoints.build()));
      }
      endpoints = ImmutableList.builder();
      settings = -1;
    }

    private void endConfiguration() {
      endInterface();
      if (configuration >= 0) {
        found.add(new Configuration(unsigned(configuration + 5), interfaces.build()));
      }
      interfaces = ImmutableList.builder();
      configuration = -1;
    }

    private static UrbType type(int attributes) {
      return switch (attributes) {
        case 0 -> UrbType.CONTROL;
        case 1 -> UrbType.ISOCHRONOUS;
        case 2 -> UrbType.BULK;
        default -> UrbType.INTERRUPT;
      };
    }
  }
}
