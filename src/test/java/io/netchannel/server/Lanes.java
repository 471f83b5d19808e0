package io.netchannel.server;

import io.netchannel.device.BlockBuffers;
import io.netchannel.device.Device;
import io.netchannel.device.Outcome;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * Load as a mid-point makes it: lanes side by side, each with a block of its own and one request at
 * a time; each write has a number of its own, and every read must find the lane's last one.
 */
final class Lanes {
  private static final int BOUND_SECONDS = 90;

  private final Device device;
  private final int lanes;
  private final int blockBytes;
  private final int writesPerLane;
  private final List<CompletableFuture<Void>> ends = new ArrayList<>();

  Lanes(Device device, int lanes, int blockBytes, int writesPerLane) {
    this.device = device;
    this.lanes = lanes;
    this.blockBytes = blockBytes;
    this.writesPerLane = writesPerLane;
  }

  static long number(int lane, int write) {
    return ((long) (lane + 1) << 32) | write;
  }

  Lanes start() {
    for (int i = 0; i < lanes; i++) {
      Lane lane = new Lane(i);
      ends.add(lane.end);
      lane.write();
    }
    return this;
  }

  void await() {
    CompletableFuture.allOf(ends.toArray(CompletableFuture[]::new))
        .orTimeout(BOUND_SECONDS, TimeUnit.SECONDS)
        .join();
  }

  private final class Lane {
    private final int lane;
    private final long offset;
    private final ByteBuffer data = BlockBuffers.allocate(blockBytes);
    private final CompletableFuture<Void> end = new CompletableFuture<>();
    private int done;

    private Lane(int lane) {
      this.lane = lane;
      offset = (long) lane * blockBytes;
    }

    private void write() {
      data.putLong(0, number(lane, done + 1));
      data.putLong(blockBytes - Long.BYTES, number(lane, done + 1));
      device.write(offset, data, this::written);
    }

    private void written(Outcome outcome) {
      if (check(outcome)) {
        done++;
        if (done % 8 == 0) {
          device.flush(this::flushed);
        } else {
          read();
        }
      }
    }

    private void flushed(Outcome outcome) {
      if (check(outcome)) {
        read();
      }
    }

    private void read() {
      data.putLong(0, 0);
      device.read(offset, data, this::wasRead);
    }

    private void wasRead(Outcome outcome) {
      if (!check(outcome)) {
        return;
      }
      long expected = number(lane, done);
      if (data.getLong(0) != expected || data.getLong(blockBytes - Long.BYTES) != expected) {
        end.completeExceptionally(
            new AssertionError(
                "lane %d: expected %x, found %x".formatted(lane, expected, data.getLong(0))));
      } else if (data.position() != 0 || data.limit() != blockBytes) {
        end.completeExceptionally(new AssertionError("position or limit has changed: " + data));
      } else if (done == writesPerLane) {
        end.complete(null);
      } else {
        write();
      }
    }

    private boolean check(Outcome outcome) {
      if (outcome != Outcome.OK) {
        end.completeExceptionally(new AssertionError("lane " + lane + ": " + outcome));
      }
      return outcome == Outcome.OK;
    }
  }
}
