package io.netchannel.midpoint;

import com.google.common.collect.Range;
import com.google.common.collect.RangeMap;
import com.google.common.collect.TreeRangeMap;
import io.netchannel.midpoint.Manifest.Entry;
import io.netchannel.vdevice.block.BlockOperation;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;

/**
 * What is known of the disk through requests that the guest will resubmit: ranges whose write is
 * complete, with a digest per sector, and ranges whose read is already there. By byte range,
 * because a guest resubmits by content: under new ids, split and merged differently.
 *
 * <p>Invariant: each range in the map tells what is on the disk now. Hence every change of a range
 * takes it out <em>when it is taken</em>, before anything else is done with it.
 */
final class ReplayMap {
  private static final int SECTOR_BYTES = MidPointLimits.SECTOR_BYTES;

  /**
   * @param startBytes offset on the disk of the start of {@code content}; the range it stands under
   *     may have become smaller
   * @param content a read's data, or a write's digests
   */
  private record Known(boolean read, long startBytes, ByteBuffer content) {
    ByteBuffer slice(long fromBytes, long toBytes) {
      long first = (fromBytes - startBytes) / SECTOR_BYTES;
      long count = (toBytes - fromBytes) / SECTOR_BYTES;
      int unitBytes = read ? SECTOR_BYTES : SectorDigests.DIGEST_BYTES;
      return content.slice(Math.toIntExact(first * unitBytes), Math.toIntExact(count * unitBytes));
    }
  }

  private final RangeMap<Long, Known> ranges = TreeRangeMap.create();

  /** From finished requests in order of sequence: later ones win. */
  static ReplayMap of(List<Entry> finished) {
    ReplayMap map = new ReplayMap();
    for (Entry entry : finished) {
      map.add(entry);
    }
    return map;
  }

  private void add(Entry entry) {
    if (entry.changesData()) {
      remove(entry.offsetBytes(), entry.lengthBytes());
    }
    boolean read = entry.operation() == BlockOperation.READ;
    if (entry.isKnown() && entry.payload().hasRemaining()) {
      put(entry.offsetBytes(), entry.lengthBytes(), read, entry.payload());
    }
  }

  private void put(long offsetBytes, long lengthBytes, boolean read, ByteBuffer content) {
    ranges.put(
        Range.closedOpen(offsetBytes, offsetBytes + lengthBytes),
        new Known(read, offsetBytes, content));
  }

  /** Forgets a range that a request is going to change. */
  void remove(long offsetBytes, long lengthBytes) {
    if (lengthBytes > 0) {
      ranges.remove(Range.closedOpen(offsetBytes, offsetBytes + lengthBytes));
    }
  }

  boolean isEmpty() {
    return ranges.asMapOfRanges().isEmpty();
  }

  /**
   * Fills {@code data} (position to limit, which stay as they are) when the whole range is known
   * from reads. The range is then forgotten: a guest resubmits each request once.
   */
  boolean answerRead(long offsetBytes, ByteBuffer data) {
    if (!covers(offsetBytes, data.remaining(), true)) {
      return false;
    }
    for (Map.Entry<Range<Long>, Known> part : parts(offsetBytes, data.remaining())) {
      long from = part.getKey().lowerEndpoint();
      ByteBuffer content = part.getValue().slice(from, part.getKey().upperEndpoint());
      data.put(
          data.position() + Math.toIntExact(from - offsetBytes), content, 0, content.remaining());
    }
    remove(offsetBytes, data.remaining());
    return true;
  }

  /**
   * Whether {@code data} (position to limit) is what is known to be written there. The range is
   * then forgotten.
   */
  boolean confirmWrite(long offsetBytes, ByteBuffer data) {
    if (!covers(offsetBytes, data.remaining(), false)) {
      return false;
    }
    ByteBuffer digests = SectorDigests.of(data);
    for (Map.Entry<Range<Long>, Known> part : parts(offsetBytes, data.remaining())) {
      long from = part.getKey().lowerEndpoint();
      ByteBuffer known = part.getValue().slice(from, part.getKey().upperEndpoint());
      int position =
          Math.toIntExact((from - offsetBytes) / SECTOR_BYTES * SectorDigests.DIGEST_BYTES);
      if (!known.equals(digests.slice(position, known.remaining()))) {
        return false;
      }
    }
    remove(offsetBytes, data.remaining());
    return true;
  }

  private boolean covers(long offsetBytes, long lengthBytes, boolean read) {
    long next = offsetBytes;
    for (Map.Entry<Range<Long>, Known> part : parts(offsetBytes, lengthBytes)) {
      if (part.getKey().lowerEndpoint() != next || part.getValue().read() != read) {
        return false;
      }
      next = part.getKey().upperEndpoint();
    }
    return lengthBytes > 0 && next == offsetBytes + lengthBytes;
  }

  private Iterable<Map.Entry<Range<Long>, Known>> parts(long offsetBytes, long lengthBytes) {
    return ranges
        .subRangeMap(Range.closedOpen(offsetBytes, offsetBytes + lengthBytes))
        .asMapOfRanges()
        .entrySet();
  }
}
