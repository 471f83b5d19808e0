package io.netchannel.device.usb.soft;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A stream of little-endian words of 32 bits, each its own number from 0 on: what is lost, repeated
 * or out of order shows, and how much. Makes one, or checks one.
 */
public final class CounterPattern {
  /** Of one word. */
  public static final int WORD_BYTES = 4;

  /**
   * What a stream was like.
   *
   * @param words whole ones that were seen
   * @param gaps words that it has left out
   * @param repeats words by which it went back
   */
  public record Counts(long words, long gaps, long repeats) {
    @Override
    public String toString() {
      return "%d words, %d left out, %d again".formatted(words, gaps, repeats);
    }
  }

  private long words;
  private long gaps;
  private long repeats;

  /** Of the next word: what has been made or seen of it. */
  private int partBytes;

  private int part;
  private int expected;

  /** The next bytes of the stream, from the buffer's position to its limit. */
  public void fill(ByteBuffer to) {
    while (to.hasRemaining()) {
      to.put((byte) (expected >>> (8 * partBytes)));
      endByte();
    }
  }

  /** Whole words from this one on. */
  static void fill(ByteBuffer to, long firstWord) {
    to.order(ByteOrder.LITTLE_ENDIAN);
    for (long word = firstWord; to.remaining() >= WORD_BYTES; word++) {
      to.putInt((int) word);
    }
  }

  /** Looks at the next bytes of a stream. */
  public void check(ByteBuffer from) {
    while (from.hasRemaining()) {
      int shift = 8 * partBytes;
      part = (part & ~(0xff << shift)) | ((from.get() & 0xff) << shift);
      if (partBytes == WORD_BYTES - 1) {
        int skipped = part - expected; // wraps as the words do
        if (skipped > 0) {
          gaps += skipped;
        } else {
          repeats -= skipped;
        }
        expected = part;
      }
      endByte();
    }
  }

  private void endByte() {
    partBytes = (partBytes + 1) % WORD_BYTES;
    if (partBytes == 0) {
      words++;
      expected++;
    }
  }

  /** What has been seen so far. */
  public Counts counts() {
    return new Counts(words, gaps, repeats);
  }
}
