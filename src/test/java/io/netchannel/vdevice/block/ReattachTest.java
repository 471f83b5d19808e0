package io.netchannel.vdevice.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import io.netchannel.vdevice.DeviceAddress;
import io.netchannel.vdevice.VirtualDevice.State;
import io.netchannel.vdevice.XenbusState;
import io.netchannel.vdevice.block.frontend.Blkfront;
import io.netchannel.vdevice.block.frontend.BlkfrontOptions;
import io.netchannel.vdevice.block.frontend.GuestIo;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;

/** A backend process that dies, and the next one that goes on with the guest's rings. */
final class ReattachTest {
  private final TestHost host = new TestHost();
  private final EmbeddedDomain domain = host.domain();
  private final DeviceAddress address = host.publish(domain, VbdLimits.DEFAULT);
  private final MemoryDisk disk = new MemoryDisk(1 << 20);
  private final Blkfront front =
      host.blkfront(domain, BlkfrontOptions.DEFAULT.withQueues(2).withMerge(false));
  private Vbd vbd = host.vbd(address, VbdLimits.DEFAULT);

  private void connect() {
    vbd.offer(disk.geometry());
    while (vbd.poll(disk, 64) + front.poll() > 0) {}
    assertThat(vbd.state()).isEqualTo(State.CONNECTED);
  }

  /** kill -9: nothing is written any more, the kernel unmaps and unbinds. */
  private Vbd restart() {
    vbd.close(false);
    return host.vbd(address, VbdLimits.DEFAULT);
  }

  private static ByteBuffer encode(BlockRequest request) {
    ByteBuffer encoded = ByteBuffer.allocate(BlockRequest.MAX_ENCODED_BYTES);
    request.encode(encoded);
    return encoded.flip();
  }

  /** What may be on the disk or not when nobody asks for it again. */
  @Test
  void whatARequestChangesIsKnownAlsoWithoutItsGuest() {
    connect();
    front.write(8192, ByteBuffer.wrap(new byte[3 * 512]), io -> {});
    front.read(4096, 512, io -> {});
    front.flush(io -> {});
    front.discard(65536, 4096, io -> {});
    front.poll();
    vbd.poll(disk, 64);
    assertThat(disk.held)
        .extracting(request -> BlockRequest.encodedChange(encode(request)))
        .containsExactlyInAnyOrder(
            Optional.of(new BlockRequest.Change(8192, 3 * 512)),
            Optional.empty(),
            Optional.empty(),
            Optional.of(new BlockRequest.Change(65536, 4096)));
  }

  private int[] consumers() {
    int[] consumers = new int[vbd.queues()];
    for (int queue = 0; queue < consumers.length; queue++) {
      consumers[queue] = vbd.requestConsumer(queue);
    }
    return consumers;
  }

  @RepeatedTest(20)
  void everyRequestIsAnsweredOnceWhereverTheProcessDies() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    connect();
    List<GuestIo> done = new ArrayList<>();
    int submitted = 0;
    // As the in-flight table: what was taken and not released, encoded as last known.
    Map<BlockRequest, ByteBuffer> inflight = new LinkedHashMap<>();
    List<BlockRequest> answered = new ArrayList<>();
    for (int step = 0; step < 300; step++) {
      switch (random.nextInt(7)) {
        case 0, 1 -> {
          byte[] data = new byte[512 * (1 + random.nextInt(120))];
          front.write(4096L * random.nextInt(64), ByteBuffer.wrap(data), done::add);
          submitted++;
          front.poll();
        }
        case 2 -> {
          int before = disk.held.size();
          vbd.poll(disk, random.nextInt(8));
          disk.held
              .subList(before, disk.held.size())
              .forEach(request -> inflight.put(request, encode(request)));
        }
        case 3 -> {
          if (!disk.held.isEmpty()) {
            BlockRequest request = disk.answer(random.nextInt(disk.held.size()));
            if (random.nextInt(8) > 0) {
              inflight.put(request, encode(request));
              answered.add(request);
            } else {
              // Dies after the answer was put on the ring and before it was remembered.
              restart(inflight, answered, seed);
            }
          }
        }
        case 4 -> vbd.publishResponses();
        case 5 -> {
          front.poll();
          answered.removeIf(
              request -> {
                boolean seen = request.seen();
                if (seen) {
                  inflight.remove(request);
                  request.release();
                }
                return seen;
              });
        }
        default -> {
          if (random.nextInt(4) == 0) {
            restart(inflight, answered, seed);
          }
        }
      }
    }
    int work;
    do {
      work = vbd.poll(disk, 64) + disk.answerAll();
      vbd.publishResponses();
      work += front.poll();
    } while (work > 0);
    assertThat(front.failure()).as("seed %d", seed).isEmpty();
    assertThat(done).as("seed %d", seed).hasSize(submitted).doesNotHaveDuplicates();
    assertThat(front.onRings()).as("seed %d", seed).isZero();
  }

  private void restart(
      Map<BlockRequest, ByteBuffer> inflight, List<BlockRequest> answered, long seed) {
    int[] consumers = consumers();
    vbd = restart();
    assertThat(vbd.state()).as("seed %d", seed).isEqualTo(State.CONNECTED);
    List<BlockRequest> again = vbd.reattach(List.copyOf(inflight.values()), consumers);
    assertThat(vbd.state()).as("seed %d", seed).isEqualTo(State.CONNECTED);
    inflight.clear();
    answered.clear();
    disk.held.clear();
    for (BlockRequest request : again) {
      disk.held.add(request);
      inflight.put(request, encode(request));
    }
  }

  @Test
  void aRequestIsTheSameAfterwards() {
    connect();
    front.write(8192, ByteBuffer.allocate(32 * 4096), io -> {});
    front.poll();
    vbd.poll(disk, 64);
    BlockRequest before = disk.held.get(0);
    ByteBuffer encoded = encode(before);
    assertThat(encoded.remaining()).isEqualTo(64 + 32 * 8);
    int[] consumers = consumers();
    vbd = restart();
    BlockRequest after = vbd.reattach(ImmutableList.of(encoded), consumers).get(0);
    assertThat(after).hasToString(before.toString());
    assertThat(after.operation()).isEqualTo(BlockOperation.WRITE);
    assertThat(encode(after)).isEqualTo(encoded);
  }

  @Test
  void aFrontendWithNewRingsIsNotReattached() {
    connect();
    vbd.close(false);
    front.resume(domain);
    front.poll();
    assertThat(host.frontendState(address)).isEqualTo(XenbusState.CONNECTED);
    vbd = host.vbd(address, VbdLimits.DEFAULT);
    assertThat(vbd.state()).isEqualTo(State.PREPARED);
    assertThatThrownBy(() -> vbd.reattach(ImmutableList.of(), new int[2]))
        .isInstanceOf(IllegalStateException.class);
    connect();
  }

  @Test
  void aTableThatDoesNotFitTheRingsClosesTheDevice() {
    connect();
    front.read(0, 512, io -> {});
    front.poll();
    vbd.poll(disk, 64);
    int[] consumers = consumers();
    vbd = restart();
    assertThat(vbd.reattach(ImmutableList.of(), consumers)).isEmpty();
    assertThat(vbd.state()).isEqualTo(State.CLOSED);
    assertThat(host.backendState(address)).isEqualTo(XenbusState.CLOSING);
    assertThat(host.node(address.errorPath() + "/error").orElseThrow())
        .contains("1 requests were taken, but only 0 are accounted for");
  }

  @Test
  void anEncodingOfAnotherVersionIsRefused() {
    connect();
    front.read(0, 512, io -> {});
    front.poll();
    vbd.poll(disk, 64);
    ByteBuffer encoded = encode(disk.held.get(0)).putShort(8, (short) 0x7777);
    vbd = restart();
    assertThatThrownBy(() -> vbd.reattach(ImmutableList.of(encoded), new int[2]))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("expected format 1");
  }
}
