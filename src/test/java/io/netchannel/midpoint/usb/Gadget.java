package io.netchannel.midpoint.usb;

import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UrbType;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A thing that is plugged into a host, whatever programs come and go there: what it was sent, in
 * its order, and what it sends, numbered from 0 on at each endpoint.
 */
final class Gadget {
  /** What OUT transfers brought, at each endpoint. */
  final Map<Integer, List<byte[]>> received = new HashMap<>();

  /** How many IN transfers took something, at each endpoint. */
  final Map<Integer, Integer> sent = new HashMap<>();

  int resets;

  /** Does all that a URB asks for. */
  void serve(Urb urb) {
    if (urb.type() == UrbType.ISOCHRONOUS) {
      int sum = 0;
      for (int packet = 0; packet < urb.packets(); packet++) {
        move(urb, urb.packetOffset(packet), urb.packetBytes(packet));
        urb.packetDone(packet, urb.packetBytes(packet), UrbStatus.OK);
        sum += urb.packetBytes(packet);
      }
      urb.frames(7, 0);
      urb.done(UrbStatus.OK, sum);
    } else {
      move(urb, 0, urb.dataBytes());
      urb.done(UrbStatus.OK, urb.dataBytes());
    }
  }

  private void move(Urb urb, int offset, int bytes) {
    ByteBuffer data = urb.data();
    if (urb.isIn()) {
      int number = sent.merge(urb.endpoint(), 1, Integer::sum) - 1;
      data.put(data.position() + offset, report(number, bytes));
    } else {
      byte[] content = new byte[bytes];
      data.get(data.position() + offset, content);
      received.computeIfAbsent(urb.endpoint(), endpoint -> new ArrayList<>()).add(content);
    }
  }

  /** What the n-th IN transfer gets. */
  static byte[] report(int number, int bytes) {
    byte[] content = new byte[bytes];
    for (int i = 0; i < bytes; i++) {
      content[i] = (byte) (number >>> (8 * (i & 3)));
    }
    return content;
  }
}
