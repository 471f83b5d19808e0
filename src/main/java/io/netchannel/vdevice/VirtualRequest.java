package io.netchannel.vdevice;

import java.nio.ByteBuffer;

/** One request of a guest, copied out of the ring and validated. Reused after {@link #release}. */
public interface VirtualRequest {

  int queue();

  /** The frontend's name for it, echoed in the response; unique only among its outstanding ones. */
  long id();

  /**
   * Whether the frontend is known to have taken the response (its rsp_event has passed it). A guest
   * that is suspended will resubmit every request whose answer it has not seen.
   */
  boolean seen();

  /**
   * Writes what {@link VirtualDevice#reattach} needs, from the position of {@code target} on, in
   * little-endian order whatever the order of {@code target}; its kind of device says how much that
   * is at most. The index of the response is in it once there is one: encode again after the
   * response was given, before {@link VirtualDevice#publishResponses}.
   */
  void encode(ByteBuffer target);

  /** Gives the object back to its ring. It must not be used afterwards. */
  void release();
}
