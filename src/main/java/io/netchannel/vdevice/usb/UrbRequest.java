package io.netchannel.vdevice.usb;

import io.netchannel.vdevice.VirtualDevice;
import io.netchannel.vdevice.VirtualRequest;
import java.nio.ByteBuffer;
import java.util.Optional;

/**
 * One request of a guest to its USB port, copied out of the ring and validated: a transfer (URB),
 * or the wish to end another one ({@link #isUnlink}). Reused after {@link #release}.
 *
 * <p>An unlink is a request of its own, with an id and an answer. Whoever serves the port asks the
 * device for the end of the URB, answers the URB when it is done, with what became of it, and then
 * the unlink. One that comes when its URB is answered, or names none, has no {@link #unlinked} and
 * is answered with 0 at once.
 *
 * <pre>
 *   URB     taken -------------------------------------> answered
 *                     device.unlink()                         |
 *   unlink           taken, unlinked() is the URB ------------+--> answered with 0
 * </pre>
 */
public interface UrbRequest extends VirtualRequest {

  /** Packets of an isochronous URB at most: what usbfs takes (Linux, devio.c). */
  int MAX_PACKETS = 128;

  /** Bytes of data at most: 16 segments of a page (io/usbif.h). */
  int MAX_DATA_BYTES = 16 * 4096;

  /** Bytes of the longest {@link #encode encoding}: head, 16 segments, 128 packets. */
  int MAX_ENCODED_BYTES = 64 + 16 * 8 + MAX_PACKETS * 8;

  PipeType type();

  /** The endpoint's address, with bit 7 for IN; of a control transfer as its setup says. */
  int endpoint();

  /** Whether data comes from the device. */
  boolean isIn();

  /** Bytes of data asked for. */
  int lengthBytes();

  /**
   * The setup packet of a control transfer, the first byte in the lowest bits (USB 2.0, 9.3); 0
   * else.
   */
  long setup();

  /** Whether less than asked for is an error. */
  boolean shortNotOk();

  /** In frames, or microframes at high speed; of interrupt and isochronous transfers. */
  int interval();

  /** How many packets an isochronous URB has; 0 else. */
  int packets();

  /** Where in the data a packet begins. */
  int packetOffset(int packet);

  int packetBytes(int packet);

  /** Whether it asks for the end of another one; type and endpoint are that one's then. */
  boolean isUnlink();

  /** The URB that this unlink wants to end; empty when it has an answer, or was never there. */
  Optional<UrbRequest> unlinked();

  /** The unlink that waits for this URB; to be answered after it. */
  Optional<UrbRequest> unlink();

  /**
   * Whether it is SET_ADDRESS. That is never passed on: the address is between guest and us, and
   * the device has another one at its host.
   */
  boolean isSetAddress();

  /**
   * Whether it is SET_ADDRESS to a device that had an address: the guest has reset its port, of
   * which nothing else tells. The device is to be reset before the answer.
   */
  boolean followsReset();

  /**
   * Whether it is for a device that has gone: what was plugged when it was taken is not there any
   * more, or it goes to an address that the guest has not given to what is there now. That has to
   * end with ENODEV (19): the guest has not heard yet that there is another device.
   */
  boolean isForGone();

  /**
   * Copies an OUT's data out of the guest into {@code data} (direct, from position 0, lengthBytes
   * long).
   *
   * @return false when a grant was refused: answer with EPROTO (71)
   */
  boolean copyFromGuest(ByteBuffer data);

  /**
   * Copies what came into the guest: of {@code data}, from position 0, the first {@code
   * actualBytes}, or of an isochronous URB what {@link #packetDone} said of each packet, at its
   * place. Nothing else of {@code data} is touched.
   *
   * @return false when a grant was refused or the guest has gone
   */
  boolean copyToGuest(ByteBuffer data, int actualBytes);

  /**
   * What became of a packet; one that nothing was said of is missed (EXDEV).
   *
   * @param errno Linux' number, positive, 0 when all is well
   */
  void packetDone(int packet, int actualBytes, int errno);

  /**
   * Puts the response on the ring, and packets' outcomes into the guest before; it is visible after
   * {@link VirtualDevice#publishResponses}. Goes nowhere when the connection the request came by
   * has ended. Exactly once per request.
   *
   * @param errno Linux' number, positive, 0 when all is well; what io/usbif.h has no status for
   *     arrives as ESHUTDOWN
   * @param actualBytes moved; of an isochronous URB the sum of its packets'
   * @param startFrame of an isochronous URB
   * @param errorCount packets that failed
   * @return the index of the response in its ring: to be remembered with the request until {@link
   *     #seen}
   */
  int respond(int errno, int actualBytes, int startFrame, int errorCount);
}
