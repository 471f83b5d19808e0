package io.netchannel.vdevice.usb;

/**
 * What a frontend is to be told of its port. An event is the speed of what is plugged, or 0; one
 * that says what the frontend knows already is passed over there, so a device that took another
 * one's place is shown by a 0 in between.
 *
 * <pre>
 *               plugged(speed)                         event 0      event speed
 *   EMPTY ----------------------> speed to be told  ------------------------------> told
 *     ^                                ^                                             |
 *     +------- unplugged(): event 0 ---+------------- unplugged(), plugged(speed) ---+
 * </pre>
 *
 * A frontend that has connected anew may know a speed from before, as after a migration: it is told
 * the present one again, and nothing happens when that is the same. Where the last thing that it
 * was told of, by this process or one before, is not what is present now, it is told 0 first: it
 * would take the one for the other.
 */
final class PlugEvents {
  /** No event. */
  static final int NONE = -1;

  private static final int UNPLUGGED = 0;

  private static final String NOBODY = "";

  private int present = UNPLUGGED;
  private String presentIdentity = NOBODY;
  private int told = NONE;

  /** What is present is not what was there when the frontend was told last. */
  private boolean changed;

  /** Of what the frontend was told last. */
  private String toldIdentity;

  /**
   * @param toldBefore what {@link #toldIdentity} a process before this one had; empty without one
   */
  PlugEvents(String toldBefore) {
    toldIdentity = toldBefore;
  }

  /** Returns whether the frontend takes it for another one as yet. */
  boolean plugged(int speed, String identity) {
    boolean isAnother = !toldIdentity.equals(NOBODY) && !toldIdentity.equals(identity);
    changed |= isAnother;
    present = speed;
    presentIdentity = identity;
    return isAnother;
  }

  void unplugged() {
    changed |= present != UNPLUGGED;
    present = UNPLUGGED;
  }

  /** It was told so by another host, not by a process here. */
  void toldElsewhere(String identity) {
    toldIdentity = identity;
  }

  /** Whether the frontend has still to hear that what it was told of has gone. */
  boolean isGone() {
    return changed;
  }

  /** The frontend has connected: what it knows is not known. */
  void connected() {
    told = NONE;
  }

  /** The event it is to be told next; {@link #NONE} when there is none. */
  int next() {
    if (changed && told != UNPLUGGED) {
      return UNPLUGGED;
    }
    return present == told ? NONE : present;
  }

  /** That event is told. */
  void told(int event) {
    told = event;
    changed = false; // it knows that the one before has gone, or was never told of it
    toldIdentity = event == UNPLUGGED ? NOBODY : presentIdentity;
  }

  /** Of what the frontend was told last; empty for nothing. */
  String toldIdentity() {
    return toldIdentity;
  }
}
