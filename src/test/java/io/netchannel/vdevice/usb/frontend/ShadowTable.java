package io.netchannel.vdevice.usb.frontend;

import java.util.ArrayList;
import java.util.List;

/**
 * What xen-hcd knows of the requests it has out, by their ids (struct usb_shadow), and its list of
 * free ids, which ends in one that is not in the table. As there, nobody looks whether it has
 * ended.
 */
final class ShadowTable {
  /** After the last free id. */
  static final int NO_ID = 0x0fff;

  /** What is on the ring under an id. */
  static final class Shadow {
    private int next;
    boolean inFlight;
    boolean unlink;
    XenHcdModel.Entry entry;
    final List<Integer> grants = new ArrayList<>();
  }

  private final Shadow[] shadows = new Shadow[XenHcdModel.SLOTS];
  private int firstFree;

  ShadowTable() {
    reset();
  }

  /** All ids are free. */
  void reset() {
    for (int id = 0; id < shadows.length; id++) {
      shadows[id] = new Shadow();
      shadows[id].next = id == shadows.length - 1 ? NO_ID : id + 1;
    }
    firstFree = 0;
  }

  /** Takes an id; {@link #NO_ID} when there is none, which the driver would write to. */
  int take() {
    int id = firstFree;
    if (id != NO_ID) {
      firstFree = shadows[id].next;
      shadows[id].inFlight = true;
    }
    return id;
  }

  /** Whether it is an id, and out. */
  boolean isInFlight(int id) {
    return id < shadows.length && shadows[id].inFlight;
  }

  Shadow get(int id) {
    return shadows[id];
  }

  /** Puts an id at the head of the list. */
  void free(int id) {
    Shadow freed = shadows[id];
    freed.inFlight = false;
    freed.entry = null;
    freed.grants.clear();
    freed.next = firstFree;
    firstFree = id;
  }

  /** Ids that may be used, as far as the list knows. */
  int freeCount() {
    int count = 0;
    for (int id = firstFree; id != NO_ID; id = shadows[id].next) {
      count++;
    }
    return count;
  }
}
