package io.netchannel.device.nbd;

import io.netchannel.device.Completion;
import io.netchannel.device.Outcome;
import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * The requests of one device: which are outstanding, in the order of their submission, and which of
 * these wait to be sent. Not thread-safe: its user holds a lock.
 *
 * <p>A handle is the number of the request in the table, and above it a serial number, so that a
 * late or invented reply is not taken for that of the table's next request.
 */
final class NbdRequests {
  /** Headers are cut from direct memory in slabs: each alone would cost a page. */
  private static final int SLAB_REQUESTS = 64;

  private static final int SLOT_BITS = 20;

  /** More than all rings of one disk hold. */
  static final int MAX_OUTSTANDING = 1 << SLOT_BITS;

  private static final long SLOT_MASK = MAX_OUTSTANDING - 1;

  private NbdRequest[] slots = {};
  private int used;
  private NbdRequest idle;
  private long serial;

  private NbdRequest oldest;
  private NbdRequest newest;
  private int outstanding;

  private NbdRequest firstToSend;
  private NbdRequest lastToSend;

  /** Completed ones, since the beginning; and how many of these a flush has made durable. */
  private long writes;

  private long flushedWrites;

  /** Then all further ones fail, until the device is opened again. */
  private boolean flushFailed;

  int outstanding() {
    return outstanding;
  }

  /**
   * Takes a request in as outstanding; it is not queued yet.
   *
   * @param flags NBD_CMD_FLAG_*, but FUA
   * @return null when there are {@link #MAX_OUTSTANDING}
   */
  NbdRequest add(
      int command,
      int flags,
      long offsetBytes,
      long lengthBytes,
      ByteBuffer data,
      Completion completion) {
    NbdRequest request = idle;
    if (request == null) {
      if (used == MAX_OUTSTANDING) {
        return null;
      }
      makeSlab();
      request = idle;
    }
    idle = request.next;
    request.next = null;
    serial++;
    request.handle = (serial << SLOT_BITS) | (request.handle & SLOT_MASK);
    request.command = command;
    request.flags = flags;
    request.offsetBytes = offsetBytes;
    request.lengthBytes = lengthBytes;
    request.doneBytes = 0;
    request.data = data;
    request.completion = completion;
    if (data != null) {
      request.dataPosition = data.position();
      request.dataLimit = data.limit();
    }
    request.previous = newest;
    if (newest == null) {
      oldest = request;
    } else {
      newest.next = request;
    }
    newest = request;
    outstanding++;
    return request;
  }

  private void makeSlab() {
    ByteBuffer slab = ByteBuffer.allocateDirect(SLAB_REQUESTS * NbdProtocol.REQUEST_BYTES);
    slots = Arrays.copyOf(slots, used + SLAB_REQUESTS);
    for (int i = SLAB_REQUESTS - 1; i >= 0; i--) {
      ByteBuffer header = slab.slice(i * NbdProtocol.REQUEST_BYTES, NbdProtocol.REQUEST_BYTES);
      NbdRequest request = new NbdRequest(header);
      request.handle = (long) used + i;
      request.next = idle;
      idle = request;
      slots[used + i] = request;
    }
    used += SLAB_REQUESTS;
  }

  /** The outstanding request with this handle, or null. */
  NbdRequest find(long handle) {
    int slot = (int) (handle & SLOT_MASK);
    NbdRequest request = slot < used ? slots[slot] : null;
    return request != null && request.handle == handle && request.completion != null
        ? request
        : null;
  }

  /** Makes the next part of a request ready to be sent. */
  void prepare(NbdRequest request, int maximumPayloadBytes, boolean writeThrough) {
    request.prepare(maximumPayloadBytes, writeThrough);
    request.covers = writes;
  }

  /**
   * Keeps count of what is only in a server's cache; before {@link #remove}.
   *
   * @return what its submitter is told: a server may forget with a failed flush what it could not
   *     write, so that the next one succeeds without it
   */
  Outcome ended(NbdRequest request, Outcome outcome) {
    if (request.isWrite() && outcome == Outcome.OK) {
      writes++;
    }
    if (request.command != NbdProtocol.CMD_FLUSH) {
      return outcome;
    }
    switch (outcome) {
      case OK -> {
        if (flushFailed) {
          return Outcome.IO_ERROR;
        }
        flushedWrites = Math.max(flushedWrites, request.covers);
      }
      case IO_ERROR, NO_SPACE -> flushFailed = true;
      case UNSUPPORTED -> {}
    }
    return outcome;
  }

  /** Writes that have succeeded and that no flush has made durable since. */
  long unflushedWrites() {
    return writes - flushedWrites;
  }

  /** The request is over: its buffer is as its owner gave it, it is free for another one. */
  void remove(NbdRequest request) {
    request.restoreData();
    request.data = null;
    request.completion = null;
    request.early = null;
    if (request.previous == null) {
      oldest = request.next;
    } else {
      request.previous.next = request.next;
    }
    if (request.next == null) {
      newest = request.previous;
    } else {
      request.next.previous = request.previous;
    }
    request.previous = null;
    request.next = idle;
    idle = request;
    outstanding--;
  }

  /** Puts a prepared request behind those that wait to be sent. */
  void queue(NbdRequest request) {
    request.nextToSend = null;
    if (lastToSend == null) {
      firstToSend = request;
    } else {
      lastToSend.nextToSend = request;
    }
    lastToSend = request;
  }

  /** The next to be sent, taken out of the queue; or null. */
  NbdRequest takeToSend() {
    NbdRequest request = firstToSend;
    if (request != null) {
      firstToSend = request.nextToSend;
      request.nextToSend = null;
      if (firstToSend == null) {
        lastToSend = null;
      }
    }
    return request;
  }

  /** Queues everything outstanding, oldest first: for a new connection. */
  void queueAll(int maximumPayloadBytes, boolean writeThrough) {
    firstToSend = null;
    lastToSend = null;
    for (NbdRequest each = oldest; each != null; each = each.next) {
      prepare(each, maximumPayloadBytes, writeThrough);
      queue(each);
    }
  }

  /** Forgets everything outstanding; gives their completions, oldest first. */
  Completion[] removeAll() {
    firstToSend = null;
    lastToSend = null;
    Completion[] completions = new Completion[outstanding];
    for (int i = 0; i < completions.length; i++) {
      completions[i] = oldest.completion;
      remove(oldest);
    }
    return completions;
  }
}
