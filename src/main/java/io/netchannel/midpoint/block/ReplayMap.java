package io.netchannel.midpoint.block;

import io.netchannel.midpoint.block.BlockManifest.Entry;
import io.netchannel.vdevice.block.BlockOperation;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * What is known of the disk through requests that the guest will resubmit: ranges whose write is
 * complete, with a digest per sector, and ranges whose read is already there. By byte range,
 * because a guest resubmits by content: under new ids, split and merged differently.
 *
 * <p>A sorted list rather than a tree: it is built while a guest stands still, mostly by code that
 * never ran before, and has some hundred ranges.
 *
 * <p>Invariant: each range in the map tells what is on the disk now. Hence every change of a range
 * takes it out <em>when it is taken</em>, before anything else is done with it. Ranges do not
 * overlap.
 */
final class ReplayMap {
  private static final int SECTOR_BYTES = BlockLimits.SECTOR_BYTES;

  /**
   * One range, in bytes of the disk.
   *
   * @param content a read's data, or a write's digests; of just this range
   */
  private record Known(long startBytes, long endBytes, boolean read, ByteBuffer content) {
    Known part(long fromBytes, long toBytes) {
      int unitBytes = read ? SECTOR_BYTES : SectorDigests.DIGEST_BYTES;
      int first = (int) ((fromBytes - startBytes) / SECTOR_BYTES);
      int count = (int) ((toBytes - fromBytes) / SECTOR_BYTES);
      return new Known(
          fromBytes, toBytes, read, content.slice(first * unitBytes, count * unitBytes));
    }
  }

  /** In order of their start. */
  private final ArrayList<Known> ranges = new ArrayList<>();

  /** From finished requests in order of sequence: later ones win. */
  static ReplayMap of(List<Entry> finished) {
    ReplayMap map = new ReplayMap();
    for (Entry entry : finished) {
      map.add(entry);
    }
    return map;
  }

  private void add(Entry entry) {
    long start = entry.offsetBytes();
    long end = start + entry.lengthBytes();
    boolean known = entry.isKnown() && entry.payload().hasRemaining();
    if (known || entry.changesData()) {
      int at = cut(start, end);
      if (known) {
        boolean read = entry.operation() == BlockOperation.READ;
        ranges.add(at, new Known(start, end, read, entry.payload()));
      }
    }
  }

  /** Forgets a range that a request is going to change. */
  void remove(long offsetBytes, long lengthBytes) {
    if (lengthBytes > 0) {
      int unused = cut(offsetBytes, offsetBytes + lengthBytes);
    }
  }

  boolean isEmpty() {
    return ranges.isEmpty();
  }

  /**
   * Fills {@code data} (position to limit, which stay as they are) when the whole range is known
   * from reads. The range is then forgotten: a guest resubmits each request once.
   */
  boolean answerRead(long offsetBytes, ByteBuffer data) {
    long endBytes = offsetBytes + data.remaining();
    int at = covering(offsetBytes, endBytes, true);
    if (at < 0) {
      return false;
    }
    for (long next = offsetBytes; next < endBytes; at++) {
      Known part = part(at, next, endBytes);
      int position = data.position() + (int) (next - offsetBytes);
      data.put(position, part.content, 0, part.content.remaining());
      next = part.endBytes;
    }
    remove(offsetBytes, data.remaining());
    return true;
  }

  /**
   * Whether {@code data} (position to limit) is what is known to be written there. The range is
   * then forgotten.
   */
  boolean confirmWrite(long offsetBytes, ByteBuffer data) {
    long endBytes = offsetBytes + data.remaining();
    int at = covering(offsetBytes, endBytes, false);
    if (at < 0) {
      return false;
    }
    ByteBuffer digests = SectorDigests.of(data);
    for (long next = offsetBytes; next < endBytes; at++) {
      Known part = part(at, next, endBytes);
      int sector = (int) ((next - offsetBytes) / SECTOR_BYTES);
      ByteBuffer found =
          digests.slice(sector * SectorDigests.DIGEST_BYTES, part.content.remaining());
      if (!part.content.equals(found)) {
        return false;
      }
      next = part.endBytes;
    }
    remove(offsetBytes, data.remaining());
    return true;
  }

  /** What range {@code at} says of a range that begins inside it. */
  private Known part(int at, long fromBytes, long toBytes) {
    Known range = ranges.get(at);
    return range.part(fromBytes, Math.min(toBytes, range.endBytes));
  }

  /** The first of adjoining ranges of one kind that cover a range; negative when none do. */
  private int covering(long startBytes, long endBytes, boolean read) {
    int first = firstEndingAfter(startBytes);
    long next = startBytes;
    for (int at = first; next < endBytes; at++) {
      if (at == ranges.size() || ranges.get(at).startBytes > next || ranges.get(at).read != read) {
        return -1;
      }
      next = ranges.get(at).endBytes;
    }
    return startBytes < endBytes ? first : -1;
  }

  /** Takes a range out; gives where one with its start belongs. */
  private int cut(long startBytes, long endBytes) {
    int at = firstEndingAfter(startBytes);
    while (at < ranges.size() && ranges.get(at).startBytes < endBytes) {
      Known range = ranges.remove(at);
      if (range.startBytes < startBytes) {
        ranges.add(at++, range.part(range.startBytes, startBytes));
      }
      if (range.endBytes > endBytes) {
        ranges.add(at, range.part(endBytes, range.endBytes));
        break;
      }
    }
    return at;
  }

  private int firstEndingAfter(long offsetBytes) {
    int low = 0;
    int high = ranges.size();
    while (low < high) {
      int middle = (low + high) >>> 1;
      if (ranges.get(middle).endBytes > offsetBytes) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }
}
