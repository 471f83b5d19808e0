package io.netchannel.vdevice.block.frontend;

import static io.netchannel.vdevice.block.RingLayout.SECTOR_BYTES;

import io.netchannel.xen.GrantTable;
import java.util.ArrayList;
import java.util.List;

/** What goes into one slot: pieces of the same kind which follow each other on the disk. */
final class FrontRequest {
  /** Bytes a flush, which has none, counts as. */
  static final long FLUSH_BYTES = 1;

  /**
   * A part of an I/O (a bio).
   *
   * @param startBytes where it begins within the I/O
   */
  record Piece(GuestIo io, long startBytes, long lengthBytes) {
    static Piece whole(GuestIo io) {
      return new Piece(io, 0, io.kind() == GuestIo.Kind.FLUSH ? FLUSH_BYTES : io.lengthBytes());
    }

    long diskOffsetBytes() {
      return io.offsetBytes() + startBytes;
    }

    boolean isFollowedBy(Piece next) {
      return io.kind() == next.io.kind()
          && diskOffsetBytes() + lengthBytes == next.diskOffsetBytes();
    }

    Piece head(long bytes) {
      return new Piece(io, startBytes, bytes);
    }

    Piece tail(long bytes) {
      return new Piece(io, startBytes + bytes, lengthBytes - bytes);
    }
  }

  /** A segment of the request: sectors of one page of one I/O. */
  record Segment(GuestIo io, int page, int firstSector, int lastSector) {}

  private final List<Piece> pieces = new ArrayList<>();
  private final List<Segment> segments = new ArrayList<>();

  FrontRequest(Piece first) {
    add(first);
  }

  GuestIo.Kind kind() {
    return pieces.get(0).io().kind();
  }

  List<Piece> pieces() {
    return pieces;
  }

  List<Segment> segments() {
    return segments;
  }

  long sector() {
    return pieces.get(0).diskOffsetBytes() / SECTOR_BYTES;
  }

  long sectors() {
    return pieces.stream().mapToLong(Piece::lengthBytes).sum() / SECTOR_BYTES;
  }

  /** Merges a piece that follows; false when the request would have too many segments. */
  boolean merge(Piece next, int maxSegments) {
    if (!kind().hasData()
        || !pieces.get(pieces.size() - 1).isFollowedBy(next)
        || segments.size() + segmentsOf(next).size() > maxSegments) {
      return false;
    }
    add(next);
    return true;
  }

  void complete(boolean success) {
    pieces.forEach(piece -> piece.io().complete(piece.lengthBytes(), success));
  }

  private void add(Piece piece) {
    pieces.add(piece);
    segments.addAll(segmentsOf(piece));
  }

  private static List<Segment> segmentsOf(Piece piece) {
    List<Segment> found = new ArrayList<>();
    if (piece.io().kind().hasData()) {
      long end = piece.startBytes() + piece.lengthBytes();
      for (long at = piece.startBytes(); at < end; ) {
        int page = (int) (at / GrantTable.PAGE_BYTES);
        long pageEnd = Math.min(end, (page + 1L) * GrantTable.PAGE_BYTES);
        found.add(
            new Segment(
                piece.io(),
                page,
                (int) (at % GrantTable.PAGE_BYTES) / SECTOR_BYTES,
                (int) ((pageEnd - 1) % GrantTable.PAGE_BYTES) / SECTOR_BYTES));
        at = pageEnd;
      }
    }
    return found;
  }
}
