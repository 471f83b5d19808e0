package io.netchannel.device.mirror;

import io.netchannel.device.Completion;
import io.netchannel.device.Outcome;
import io.netchannel.device.mirror.MirrorOwner.Members;

/**
 * What decisions lead to: devices, guests and the owner are called here, without the lock, by
 * whoever has just released it. Each piece of work is done once. Guarded by the mirror's lock, but
 * for {@link #work}.
 */
final class Agenda {
  /** The mirror. Without the lock. */
  interface Doer {
    void send(MirroredRequest request);

    void flushFollower();

    void recordSwitch();

    /** Of a lasting mirror. */
    void recordMembers(Members members);

    /** As {@link MirrorOwner#followerAway}. */
    void followerAway(boolean lost);

    /**
     * Tells that something has changed.
     *
     * @param isOver whether the leg that was left has nothing of the mirror any more
     */
    void tell(boolean isOver);
  }

  private final Object lock;
  private final Errands errands;
  private final RequestPool pool;
  private final Doer doer;
  private final RequestQueue requests = new RequestQueue();
  private boolean toFlush;
  private boolean toRecord;
  private Members toRecordMembers;
  private boolean toLeave;
  private boolean leftLost;
  private boolean toTell;
  private boolean isOver;

  Agenda(Object lock, Errands errands, RequestPool pool, Doer doer) {
    this.lock = lock;
    this.errands = errands;
    this.pool = pool;
    this.doer = doer;
  }

  /** A placed request goes to its legs. */
  void send(MirroredRequest request) {
    request.toSubmit = true;
    enqueue(request);
  }

  void answer(MirroredRequest request, Outcome answer) {
    request.answer = answer;
    request.toAnswer = true;
    enqueue(request);
  }

  private void enqueue(MirroredRequest request) {
    if (!request.queued) {
      requests.add(request);
    }
  }

  void flushFollower() {
    toFlush = true;
  }

  void recordSwitch() {
    toRecord = true;
  }

  /** Returns whether the owner does not know of it yet, and will not. */
  boolean withdrawRecord() {
    boolean withdrawn = toRecord;
    toRecord = false;
    return withdrawn;
  }

  void recordMembers(Members members) {
    toRecordMembers = members;
  }

  void followerAway(boolean lost) {
    toLeave = true;
    leftLost = lost;
  }

  void tell() {
    toTell = true;
  }

  /** For good. */
  void tellThatItIsOver() {
    if (!isOver) {
      isOver = true;
      toTell = true;
    }
  }

  /** Does all there is. Without the lock. */
  void work() {
    while (workOnce()) {}
  }

  private boolean workOnce() {
    MirroredRequest placed = null;
    Completion guest = null;
    Outcome answer = null;
    boolean flush = false;
    boolean record = false;
    Members members = null;
    boolean leave = false;
    boolean lost = false;
    boolean over;
    synchronized (lock) {
      over = isOver;
      if (toFlush) {
        toFlush = false;
        flush = true;
      } else if (toRecord) {
        toRecord = false;
        record = true;
      } else if (toRecordMembers != null) {
        members = toRecordMembers;
        toRecordMembers = null;
      } else if (toLeave) {
        toLeave = false;
        leave = true;
        lost = leftLost;
      } else if (!requests.isEmpty()) {
        MirroredRequest request = requests.poll();
        if (request.toSubmit) {
          request.toSubmit = false;
          placed = request;
        } else {
          guest = request.guest;
          answer = request.answer;
          request.toAnswer = false;
          pool.giveBackIfDone(request);
        }
      } else if (toTell) {
        toTell = false;
      } else {
        return false;
      }
      if (placed != null || guest != null) {
        errands.begin();
      }
    }
    if (flush) {
      doer.flushFollower();
    } else if (record) {
      doer.recordSwitch();
    } else if (members != null) {
      doer.recordMembers(members);
    } else if (leave) {
      doer.followerAway(lost);
    } else if (placed != null) {
      sendNow(placed);
    } else if (guest != null) {
      answerNow(guest, answer);
    } else {
      doer.tell(over);
    }
    return true;
  }

  private void sendNow(MirroredRequest placed) {
    try {
      doer.send(placed);
    } finally {
      errands.end();
    }
  }

  private void answerNow(Completion guest, Outcome outcome) {
    try {
      guest.complete(outcome);
    } finally {
      errands.end();
    }
  }
}
