package io.netchannel.device.usb.redir;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.Maps;
import java.util.Arrays;
import java.util.Optional;

/** The packets that are known here (usbredirproto.h). */
enum PacketType {
  HELLO(0),
  DEVICE_CONNECT(1),
  DEVICE_DISCONNECT(2),
  RESET(3),
  INTERFACE_INFO(4),
  EP_INFO(5),
  SET_CONFIGURATION(6),
  GET_CONFIGURATION(7),
  CONFIGURATION_STATUS(8),
  SET_ALT_SETTING(9),
  GET_ALT_SETTING(10),
  ALT_SETTING_STATUS(11),
  START_ISO_STREAM(12),
  STOP_ISO_STREAM(13),
  ISO_STREAM_STATUS(14),
  START_INTERRUPT_RECEIVING(15),
  STOP_INTERRUPT_RECEIVING(16),
  INTERRUPT_RECEIVING_STATUS(17),
  CANCEL_DATA_PACKET(21),
  FILTER_REJECT(22),
  FILTER_FILTER(23),
  DEVICE_DISCONNECT_ACK(24),
  CONTROL_PACKET(100),
  BULK_PACKET(101),
  ISO_PACKET(102),
  INTERRUPT_PACKET(103);

  private static final ImmutableMap<Integer, PacketType> BY_NUMBER =
      Maps.uniqueIndex(Arrays.asList(values()), type -> type.number);

  private final int number;

  PacketType(int number) {
    this.number = number;
  }

  int number() {
    return number;
  }

  static Optional<PacketType> of(int number) {
    return Optional.ofNullable(BY_NUMBER.get(number));
  }
}
