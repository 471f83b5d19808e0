package io.netchannel.device.mirror;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.Device;
import io.netchannel.device.Outcome;
import io.netchannel.device.memory.BufferBudget;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** A mirror on two legs whose requests end when the test says so, and its owner. */
abstract class SteppedMirror {
  static final int BLOCK = SteppedDevice.BLOCK_BYTES;
  static final int REGION_BLOCKS = DifferenceMap.REGION_BYTES / BLOCK;
  static final int BLOCKS = 8 * REGION_BLOCKS;

  final SteppedDevice leader = new SteppedDevice("leader", BLOCKS, 1, true);
  final SteppedDevice follower = new SteppedDevice("follower", BLOCKS, -1, true);
  final List<CompletableFuture<Void>> records = new ArrayList<>();
  final BufferBudget budget = new BufferBudget(16L * BufferBudget.UNIT_BYTES);
  long nanos;

  static final class Answer {
    Outcome outcome;

    void told(Outcome told) {
      assertThat(outcome).as("told once").isNull();
      outcome = told;
    }
  }

  MirrorDevice mirror(boolean switches, boolean converges) {
    return mirror(leader, follower, settings(false, false, switches, converges));
  }

  static MirrorSettings settings(boolean zero, boolean alike, boolean switches, boolean converges) {
    return new MirrorSettings(zero, alike, switches, converges, false, Duration.ofSeconds(5));
  }

  static MirrorSettings verifying(boolean switches) {
    return new MirrorSettings(false, false, switches, true, true, Duration.ofSeconds(5));
  }

  MirrorDevice mirror(Device from, Device to, MirrorSettings settings) {
    return begun(new MirrorDevice(from, to, settings, budget, this::record, () -> nanos));
  }

  MirrorDevice mirror(DifferenceMap map, MirrorSettings settings) {
    return begun(
        new MirrorDevice(leader, follower, map, settings, budget, this::record, () -> nanos));
  }

  static MirrorDevice begun(MirrorDevice mirror) {
    mirror.resume();
    return mirror;
  }

  CompletableFuture<Void> record() {
    CompletableFuture<Void> record = new CompletableFuture<>();
    records.add(record);
    return record;
  }

  void toSync(MirrorDevice mirror) {
    run(mirror, MirrorState.SYNC);
  }

  void toRecord(MirrorDevice mirror) {
    run(mirror, MirrorState.RECORDING);
  }

  void run(MirrorDevice mirror, MirrorState end) {
    run(mirror, leader, follower, end);
  }

  void run(MirrorDevice mirror, SteppedDevice from, SteppedDevice to, MirrorState end) {
    for (int i = 0; i < 1000 && mirror.status().state() != end; i++) {
      endAll(from, "");
      endAll(to, "");
      pass(mirror, 1);
    }
    assertThat(mirror.status().state()).isEqualTo(end);
  }

  void pass(MirrorDevice mirror, int seconds) {
    nanos += TimeUnit.SECONDS.toNanos(seconds);
    mirror.tick();
  }

  static Answer write(MirrorDevice mirror, int block, int value) {
    ByteBuffer data = ByteBuffer.allocate(BLOCK);
    SteppedDevice.put(data, 0, value);
    Answer answer = new Answer();
    mirror.write((long) block * BLOCK, data, answer::told);
    return answer;
  }

  static Answer read(MirrorDevice mirror, int block) {
    Answer answer = new Answer();
    mirror.read((long) block * BLOCK, ByteBuffer.allocate(BLOCK), answer::told);
    return answer;
  }

  static Answer flush(MirrorDevice mirror) {
    Answer answer = new Answer();
    mirror.flush(answer::told);
    return answer;
  }

  static List<SteppedDevice.Step> named(SteppedDevice leg, String what) {
    return leg.steps.stream().filter(step -> step.what().contains(what)).toList();
  }

  static void endAll(SteppedDevice leg, String what) {
    named(leg, what).forEach(leg::end);
  }

  static void failAll(SteppedDevice leg) {
    List.copyOf(leg.steps).forEach(step -> leg.fail(step, false, Outcome.IO_ERROR));
  }
}
