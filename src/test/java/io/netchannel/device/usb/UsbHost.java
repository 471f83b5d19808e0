package io.netchannel.device.usb;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/** Who uses a device in a test, as a host's drivers do. */
public final class UsbHost {
  private final UsbDevice device;
  private final VirtualTime time;

  public UsbHost(UsbDevice device, VirtualTime time) {
    this.device = device;
    this.time = time;
  }

  /** Submits it for what is plugged now, and lets pass what is due. */
  public Transfer submit(Transfer transfer) {
    transfer.submitTo(device, device.port().incarnation());
    time.run();
    return transfer;
  }

  /** What the device answers; fails the test when it does not. */
  public byte[] get(int type, int request, int value, int index, int length) {
    Transfer transfer =
        submit(Transfer.control(type, request, value, index, length, new byte[length]));
    assertThat(transfer.status()).isEqualTo(UrbStatus.OK);
    return transfer.data();
  }

  public UrbStatus set(int type, int request, int value, int index, byte... data) {
    return submit(Transfer.control(type, request, value, index, data.length, data)).status();
  }

  public byte[] descriptor(int type, int index, int length) {
    return get(0x80, 6, type << 8 | index, 0, length);
  }

  /**
   * Reads all that a host reads, as Linux does it, and selects the configuration.
   *
   * @return what it has read
   */
  public Descriptors enumerate() {
    assertThat(device.reset()).isNotNull();
    time.run();
    byte[] ofDevice = descriptor(1, 0, 64);
    assertThat(ofDevice).hasSize(18);
    byte[] head = descriptor(2, 0, 9);
    int total = ByteBuffer.wrap(head).order(ByteOrder.LITTLE_ENDIAN).getShort(2) & 0xffff;
    byte[] configuration = descriptor(2, 0, total);
    assertThat(configuration).hasSize(total).startsWith(head);
    byte[] all = Arrays.copyOf(ofDevice, 18 + total);
    System.arraycopy(configuration, 0, all, 18, total);
    assertThat(set(0, 9, configuration[5], 0)).isEqualTo(UrbStatus.OK);
    return Descriptors.of(all);
  }
}
