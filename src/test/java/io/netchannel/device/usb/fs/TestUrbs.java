package io.netchannel.device.usb.fs;

import static java.nio.charset.StandardCharsets.US_ASCII;

import io.netchannel.device.usb.Urb;
import java.nio.ByteBuffer;

/** Makes URBs and reads what came of them. */
final class TestUrbs {
  static final int SET_CONFIGURATION = 9;
  static final int SET_INTERFACE = 11;
  static final int CLEAR_FEATURE = 1;
  static final int SET_ADDRESS = 5;
  static final int GET_DESCRIPTOR = 6;

  private TestUrbs() {}

  /** A control transfer that asks for {@code bytes}, or sends as many zeros. */
  static Urb control(int requestType, int request, int value, int index, int bytes) {
    Urb urb = new Urb();
    urb.control(setup(requestType, request, value, index, bytes), ByteBuffer.allocateDirect(bytes));
    return urb;
  }

  static long setup(int requestType, int request, int value, int index, int bytes) {
    return requestType
        | (long) request << 8
        | (long) value << 16
        | (long) index << 32
        | (long) bytes << 48;
  }

  static Urb setConfiguration(int value) {
    return control(0, SET_CONFIGURATION, value, 0, 0);
  }

  static Urb setInterface(int number, int alternate) {
    return control(1, SET_INTERFACE, alternate, number, 0);
  }

  static Urb clearHalt(int endpoint) {
    return control(2, CLEAR_FEATURE, 0, endpoint, 0);
  }

  static Urb bulk(int endpoint, int bytes) {
    Urb urb = new Urb();
    urb.bulk(endpoint, ByteBuffer.allocateDirect(bytes), false);
    return urb;
  }

  static Urb bulkOut(int endpoint, String text) {
    Urb urb = new Urb();
    urb.bulk(endpoint, direct(text), false);
    return urb;
  }

  static Urb interrupt(int endpoint, int bytes) {
    Urb urb = new Urb();
    urb.interrupt(endpoint, ByteBuffer.allocateDirect(bytes), false, 0);
    return urb;
  }

  static ByteBuffer direct(String text) {
    return ByteBuffer.allocateDirect(text.length()).put(text.getBytes(US_ASCII)).flip();
  }

  /** What has come. */
  static String text(Urb urb) {
    byte[] bytes = new byte[urb.actualBytes()];
    urb.data().get(urb.data().position(), bytes);
    return new String(bytes, US_ASCII);
  }
}
