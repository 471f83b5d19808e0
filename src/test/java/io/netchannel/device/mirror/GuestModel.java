package io.netchannel.device.mirror;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.Outcome;
import io.netchannel.device.mirror.MirroredRequest.Kind;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * What a guest may expect of one disk, also of requests that overlap: each takes effect at some
 * moment between its begin and its answer. A change that was answered before another one began,
 * which was answered well, is nowhere any more. Of those that failed either may be true.
 *
 * <p>Each change writes a number of its own, and later ones larger numbers; a discard writes 0.
 */
final class GuestModel {
  private static final int BLOCK = SteppedDevice.BLOCK_BYTES;

  /** A request that has not been answered. */
  static final class Request {
    final Kind kind;
    final int first;
    final int count;

    /** Larger than that of each request before it. */
    final int number;

    /** Of its own, for the device; null for a flush and a discard. */
    final ByteBuffer data;

    /** Of a change: one for each block. */
    private final List<Change> changes = new ArrayList<>();

    /** Of a read: what each block may turn out to have. */
    private final List<Set<Integer>> readable = new ArrayList<>();

    /** Of a flush: what each block of the disk has at least when it is done. */
    private int[] least;

    private Request(Kind kind, int first, int count, int number) {
      this.kind = kind;
      this.first = first;
      this.count = count;
      this.number = number;
      boolean hasData = kind == Kind.READ || kind == Kind.WRITE;
      data = hasData ? ByteBuffer.allocate(count * BLOCK) : null;
    }

    boolean touches(int from, int blocks) {
      return kind != Kind.FLUSH && first < from + blocks && from < first + count;
    }

    /** The value that it gives its blocks. */
    int value() {
      return kind == Kind.WRITE ? number : 0;
    }
  }

  private static final class Change {
    final int value;
    final int begun;
    int ended = Integer.MAX_VALUE;

    Change(int value, int begun) {
      this.value = value;
      this.begun = begun;
    }
  }

  /** By block: those that may be the last one. */
  private final List<List<Change>> last = new ArrayList<>();

  private final List<Request> open = new ArrayList<>();

  /** By block: what it has at least after a loss of power. */
  private final int[] flushed;

  /** By block: when it was last begun to be discarded. Zeros may come then, in no order. */
  private final int[] discarded;

  private int moment = 1;

  GuestModel(int blocks) {
    flushed = new int[blocks];
    discarded = new int[blocks];
    for (int block = 0; block < blocks; block++) {
      last.add(new ArrayList<>(List.of(new Change(0, 0))));
      last.get(block).get(0).ended = 0;
    }
  }

  List<Request> open() {
    return List.copyOf(open);
  }

  /** Whether a request that is not answered reads or changes one of these. */
  boolean isOpen(int first, int count) {
    return open.stream().anyMatch(each -> each.touches(first, count));
  }

  /** Whether the block may have this value now. */
  boolean allows(int block, int value) {
    return last.get(block).stream().anyMatch(change -> change.value == value);
  }

  String expected(int block) {
    return values(block).toString();
  }

  int flushed(int block) {
    return flushed[block];
  }

  private Set<Integer> values(int block) {
    Set<Integer> values = new HashSet<>();
    last.get(block).forEach(change -> values.add(change.value));
    return values;
  }

  Request begin(Kind kind, int first, int count) {
    Request request = new Request(kind, first, count, moment++);
    for (int block = first; block < first + count; block++) {
      switch (kind) {
        case READ -> request.readable.add(values(block));
        case WRITE, DISCARD -> beginChange(request, block);
        case FLUSH -> {}
      }
    }
    if (kind == Kind.FLUSH) {
      request.least = new int[flushed.length];
      for (int block = 0; block < flushed.length; block++) {
        request.least[block] = values(block).stream().min(Integer::compare).orElseThrow();
      }
    }
    open.add(request);
    return request;
  }

  private void beginChange(Request request, int block) {
    Change change = new Change(request.value(), request.number);
    request.changes.add(change);
    last.get(block).add(change);
    if (request.kind == Kind.DISCARD) {
      flushed[block] = 0;
      discarded[block] = request.number;
    }
    for (Request other : open) {
      if (other.kind == Kind.READ && other.touches(block, 1)) {
        other.readable.get(block - other.first).add(change.value);
      }
    }
  }

  /** The data of a write, as often as it is issued. */
  void fill(Request write) {
    for (int i = 0; i < write.count; i++) {
      SteppedDevice.put(write.data, i * BLOCK, write.number);
    }
  }

  void answered(Request request, Outcome outcome) {
    assertThat(open.remove(request)).as("answered once").isTrue();
    boolean well = outcome == Outcome.OK;
    switch (request.kind) {
      case READ -> {
        for (int i = 0; i < request.count && well; i++) {
          assertThat(request.readable.get(i))
              .as("block %s", request.first + i)
              .contains(SteppedDevice.get(request.data, i * BLOCK));
        }
      }
      case WRITE -> {
        endChange(request, well);
        // The buffer is the guest's again: who uses it from now on is wrong.
        for (int i = 0; i < request.count; i++) {
          SteppedDevice.put(request.data, i * BLOCK, Integer.MIN_VALUE);
        }
      }
      case DISCARD -> endChange(request, well);
      case FLUSH -> {
        for (int block = 0; block < flushed.length && well; block++) {
          if (discarded[block] < request.number) {
            flushed[block] = Math.max(flushed[block], request.least[block]);
          }
        }
      }
    }
  }

  private void endChange(Request request, boolean well) {
    int now = moment++;
    for (int i = 0; i < request.count; i++) {
      Change change = request.changes.get(i);
      change.ended = now;
      if (well) {
        last.get(request.first + i).removeIf(other -> other.ended < change.begun);
      }
    }
  }

  /** The guest is gone, and the disk has this. */
  void lostPower(int[] found) {
    open.clear();
    for (int block = 0; block < flushed.length; block++) {
      assertThat(found[block])
          .as("block %s after a loss of power", block)
          .isGreaterThanOrEqualTo(flushed[block]);
      Change only = new Change(found[block], 0);
      only.ended = 0;
      last.set(block, new ArrayList<>(List.of(only)));
    }
  }
}
