package io.netchannel.rehearsal.guest;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/**
 * What must be on a disk: for each block the sequence number of the last write that the guest has
 * seen done. Blocks of a request that is under way are reserved, so that no two requests overlap
 * and the content of every block is known at all times.
 */
public final class DiskModel {
  public static final int BLOCK_BYTES = BlockStamp.BLOCK_BYTES;

  /** One broken disk has as many wrong blocks as it likes; a few tell the story. */
  private static final int MAX_REPORTED = 20;

  private static final int COMPARED_BLOCKS = 256;

  private final long[] sequences;
  private final BitSet reserved;
  private long lastSequence = BlockStamp.NEVER;

  /** A disk of zeros. */
  public DiskModel(long sizeBytes) {
    sequences = new long[Math.toIntExact(sizeBytes / BLOCK_BYTES)];
    reserved = new BitSet(sequences.length);
  }

  public int blocks() {
    return sequences.length;
  }

  /** How many writes have been numbered. */
  public long writes() {
    return lastSequence;
  }

  /** How many blocks were written at least once. */
  public int blocksWritten() {
    int written = 0;
    for (long sequence : sequences) {
      written += sequence == BlockStamp.NEVER ? 0 : 1;
    }
    return written;
  }

  /** Reserves the blocks for a request; false when one of them is reserved. */
  boolean reserve(int first, int count) {
    int next = reserved.nextSetBit(first);
    if (next >= 0 && next < first + count) {
      return false;
    }
    reserved.set(first, first + count);
    return true;
  }

  void release(int first, int count) {
    reserved.clear(first, first + count);
  }

  long nextSequence() {
    return ++lastSequence;
  }

  /** The guest has seen the write done. */
  void written(int first, int count, long sequence) {
    for (int block = first; block < first + count; block++) {
      sequences[block] = sequence;
    }
  }

  void fill(ByteBuffer data, int first, int count, long sequence) {
    for (int i = 0; i < count; i++) {
      BlockStamp.write(data, data.position() + i * BLOCK_BYTES, first + i, sequence);
    }
  }

  /**
   * What is wrong with {@code data}, which was read from {@code first} on; empty when it is right.
   */
  List<String> check(ByteBuffer data, int first, int count) {
    List<String> wrong = new ArrayList<>();
    for (int i = 0; i < count && wrong.size() < MAX_REPORTED; i++) {
      int position = data.position() + i * BLOCK_BYTES;
      BlockStamp.check(data, position, first + i, sequences[first + i]).ifPresent(wrong::add);
    }
    return wrong;
  }

  /**
   * Compares a whole disk that nobody uses with the model, past every cache of ours.
   *
   * @return what is wrong, the first {@value #MAX_REPORTED}; empty when nothing is
   */
  public List<String> compare(Path disk) throws IOException {
    List<String> wrong = new ArrayList<>();
    ByteBuffer data = ByteBuffer.allocate(COMPARED_BLOCKS * BLOCK_BYTES);
    try (FileChannel file = FileChannel.open(disk, StandardOpenOption.READ)) {
      if (file.size() != (long) blocks() * BLOCK_BYTES) {
        wrong.add("%s has %d bytes, expected %d blocks".formatted(disk, file.size(), blocks()));
      }
      for (int first = 0;
          first < blocks() && wrong.size() < MAX_REPORTED;
          first += COMPARED_BLOCKS) {
        int count = Math.min(COMPARED_BLOCKS, blocks() - first);
        data.clear().limit(count * BLOCK_BYTES);
        long offset = (long) first * BLOCK_BYTES;
        while (data.hasRemaining()) {
          if (file.read(data, offset + data.position()) < 0) {
            wrong.add("%s ends at byte %d".formatted(disk, offset + data.position()));
            return wrong;
          }
        }
        wrong.addAll(check(data.flip(), first, count));
      }
    }
    return wrong;
  }
}
