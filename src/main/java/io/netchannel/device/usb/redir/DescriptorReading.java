package io.netchannel.device.usb.redir;

import io.netchannel.device.usb.Descriptors;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbStatus;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * Reads what a device is, one request after the other: the protocol tells little of it.
 *
 * <pre>
 *   device descriptor -> each configuration: its head, then all -> languages -> serial number
 *                                                           -> configuration that is set -> done
 * </pre>
 */
final class DescriptorReading {
  private static final int DEVICE_BYTES = 18;
  private static final int HEAD_BYTES = 9;
  private static final int STRING_BYTES = 255;

  /** More than any device has; a peer is not asked for ever. */
  private static final int MAX_CONFIGURATIONS = 8;

  private static final int DEVICE = 1;
  private static final int CONFIGURATION = 2;
  private static final int STRING = 3;

  /** Who sends its requests and gets the result. */
  interface Owner {
    /** Sends a control transfer; {@code answered} is told when it is complete. */
    void send(Urb urb, Consumer<Urb> answered);

    /** All was read. */
    void read(Descriptors descriptors, Optional<String> serial, int configuration);

    /** The device, or the peer, is none that can be used. */
    void failed(String why);
  }

  private final Owner owner;
  private final ByteArrayOutputStream found = new ByteArrayOutputStream();
  private byte[] device = new byte[0];
  private Optional<String> serial = Optional.empty();

  DescriptorReading(Owner owner) {
    this.owner = owner;
  }

  void begin() {
    get(
        DEVICE,
        0,
        0,
        DEVICE_BYTES,
        answer -> {
          if (answer.length != DEVICE_BYTES || answer[0] != DEVICE_BYTES || answer[1] != DEVICE) {
            owner.failed("expected a device descriptor, found %d bytes".formatted(answer.length));
            return;
          }
          device = answer;
          found.writeBytes(answer);
          configuration(0);
        });
  }

  private void configuration(int index) {
    if (index == Math.min(Byte.toUnsignedInt(device[17]), MAX_CONFIGURATIONS)) {
      serialNumber();
      return;
    }
    get(
        CONFIGURATION,
        index,
        0,
        HEAD_BYTES,
        head -> {
          int total =
              head.length < HEAD_BYTES
                  ? 0
                  : Short.toUnsignedInt(
                      ByteBuffer.wrap(head).order(ByteOrder.LITTLE_ENDIAN).getShort(2));
          if (total < HEAD_BYTES) {
            owner.failed("expected the descriptor of a configuration, found none");
            return;
          }
          get(
              CONFIGURATION,
              index,
              0,
              total,
              all -> {
                found.writeBytes(all);
                configuration(index + 1);
              });
        });
  }

  private void serialNumber() {
    int index = Byte.toUnsignedInt(device[16]);
    if (index == 0) {
      configurationThatIsSet();
      return;
    }
    get(
        STRING,
        0,
        0,
        STRING_BYTES,
        languages -> {
          if (languages.length < 4) {
            configurationThatIsSet();
            return;
          }
          int language = ByteBuffer.wrap(languages).order(ByteOrder.LITTLE_ENDIAN).getShort(2);
          get(
              STRING,
              index,
              language & 0xffff,
              STRING_BYTES,
              text -> {
                if (text.length > 2) {
                  serial =
                      Optional.of(new String(text, 2, text.length - 2, StandardCharsets.UTF_16LE));
                }
                configurationThatIsSet();
              });
        });
  }

  private void configurationThatIsSet() {
    request(
        0x0880L | 1L << 48,
        1,
        answer ->
            owner.read(
                Descriptors.of(found.toByteArray()),
                serial,
                answer.length == 0 ? 0 : Byte.toUnsignedInt(answer[0])));
  }

  private void get(int type, int index, int language, int bytes, Consumer<byte[]> answered) {
    request(
        0x0680L | (long) (type << 8 | index) << 16 | (long) language << 32 | (long) bytes << 48,
        bytes,
        answered);
  }

  /** One that the device refuses is answered with nothing. */
  private void request(long setup, int bytes, Consumer<byte[]> answered) {
    Urb urb = new Urb();
    urb.control(setup, ByteBuffer.allocateDirect(bytes));
    owner.send(
        urb,
        done -> {
          byte[] answer = new byte[done.status() == UrbStatus.OK ? done.actualBytes() : 0];
          done.data().get(0, answer);
          answered.accept(answer);
        });
  }
}
