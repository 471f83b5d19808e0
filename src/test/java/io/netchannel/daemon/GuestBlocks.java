package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.vdevice.block.DiskName;
import io.netchannel.vdevice.block.frontend.Blkfront;
import io.netchannel.vdevice.block.frontend.BlkfrontOptions;
import io.netchannel.vdevice.block.frontend.GuestIo;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/** What a guest writes to its xvdb, block by block, and remembers. */
final class GuestBlocks {
  static final int BLOCK = 4096;
  static final int XVDB = DiskName.devid("xvdb");

  private static final Duration BOUND = Duration.ofSeconds(60);

  private final Map<Integer, Byte> written = new HashMap<>();
  private Blkfront guest;
  private byte next;

  /** Its frontend begins. */
  void connect(EmbeddedDomain domain) {
    guest = new Blkfront(domain, XVDB, BlkfrontOptions.DEFAULT, () -> {});
    await("connection", () -> guest.connection() == Blkfront.Connection.CONNECTED);
  }

  /** Its frontend goes on meanwhile, when there is one. */
  void await(String what, BooleanSupplier condition) {
    long deadline = System.nanoTime() + BOUND.toNanos();
    while (true) {
      if (guest != null) {
        guest.poll();
      }
      if (condition.getAsBoolean()) {
        return;
      }
      assertThat(System.nanoTime()).as("waiting for: " + what).isLessThan(deadline);
      LockSupport.parkNanos(Duration.ofMillis(1).toNanos());
    }
  }

  /** Does not wait for its end. */
  GuestIo beginWrite(int block) {
    byte value = ++next;
    ByteBuffer data = ByteBuffer.allocate(BLOCK);
    for (int i = 0; i < BLOCK; i++) {
      data.put(i, value);
    }
    written.put(block, value);
    return guest.write((long) block * BLOCK, data, done -> {});
  }

  GuestIo beginRead(int block) {
    return guest.read((long) block * BLOCK, BLOCK, done -> {});
  }

  void ends(GuestIo io) {
    await("a request", io::isDone);
    assertThat(io.hasFailed()).isFalse();
    io.free();
  }

  /** Returns what each byte of the block is now. */
  byte write(int block) {
    ends(beginWrite(block));
    return written.get(block);
  }

  /** All that it was told is written. */
  void verify() {
    written.forEach(
        (block, value) -> {
          GuestIo io = beginRead(block);
          await("a read", io::isDone);
          assertThat(io.hasFailed()).as("read of block %s", block).isFalse();
          ByteBuffer data = io.data();
          for (int i = 0; i < BLOCK; i += 512) {
            assertThat(data.get(i)).as("block %s, byte %s", block, i).isEqualTo(value);
          }
          io.free();
        });
  }
}
