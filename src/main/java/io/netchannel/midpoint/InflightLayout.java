package io.netchannel.midpoint;

import io.netchannel.vdevice.block.BlockRequest;

/**
 * Where things are in the in-flight file. Native byte order: the file never leaves its host.
 *
 * <pre>
 *   header   0 magic (8)   8 version (4)   12 slots (4)   16 next sequence (8)
 *           64 request consumer of queue 0..15 (4 each)
 *   slot     0 state (4)   4 queue (4)     8 sequence (8)  16 id (8)  24 generation (8)
 *           32 request consumer after it (4)  36 length of encoding A (4)  40 of B (4)
 *           64 encoding A   then encoding B
 * </pre>
 *
 * A slot has two encodings because the one that says "answered" must not overwrite the one that is
 * valid before: a process may die in the middle of a copy. The state says which one counts.
 */
final class InflightLayout {
  /** "NCINFLT1" */
  static final long MAGIC = 0x4e43494e464c5431L;

  static final int VERSION = 1;

  static final int MAGIC_OFFSET = 0;
  static final int VERSION_OFFSET = 8;
  static final int SLOTS_OFFSET = 12;
  static final int NEXT_SEQUENCE_OFFSET = 16;
  static final int CONSUMERS_OFFSET = 64;

  /** Linux' blkfront uses at most 4 rings, and one per CPU is the most anybody asks for. */
  static final int MAX_QUEUES = 16;

  static final int HEADER_BYTES = 4096;

  static final int STATE = 0;
  static final int QUEUE = 4;
  static final int SEQUENCE = 8;
  static final int ID = 16;
  static final int GENERATION = 24;
  static final int CONSUMER = 32;
  static final int LENGTH_A = 36;
  static final int LENGTH_B = 40;
  static final int ENCODING_A = 64;
  static final int ENCODING_B = ENCODING_A + BlockRequest.MAX_ENCODED_BYTES;

  /** Whole cache lines. */
  static final int SLOT_BYTES = (ENCODING_B + BlockRequest.MAX_ENCODED_BYTES + 63) & ~63;

  static final int FREE = 0;
  static final int TAKEN_A = 1;
  static final int TAKEN_B = 2;
  static final int ANSWERED_A = 3;
  static final int ANSWERED_B = 4;

  private InflightLayout() {}

  static int slotOffset(int slot) {
    return HEADER_BYTES + slot * SLOT_BYTES;
  }

  static int fileBytes(int slots) {
    return Math.addExact(HEADER_BYTES, Math.multiplyExact(slots, SLOT_BYTES));
  }

  static boolean isA(int state) {
    return state == TAKEN_A || state == ANSWERED_A;
  }
}
