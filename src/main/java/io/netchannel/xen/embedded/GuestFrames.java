package io.netchannel.xen.embedded;

import java.lang.ref.ReferenceQueue;
import java.lang.ref.WeakReference;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * The frames of one domain's memory: which pages are at which number. Pages that its kernel has
 * forgotten cannot be found any more; a number is not used twice.
 */
final class GuestFrames {
  /** Somewhere above what a real guest's kernel would lie in. */
  private static final long FIRST_FRAME = 0x10000;

  /** By their first frame. */
  private final TreeMap<Long, Pages> pages = new TreeMap<>();

  private final ReferenceQueue<GuestPages> forgotten = new ReferenceQueue<>();
  private long next = FIRST_FRAME;

  /** Pages as long as somebody else knows them. */
  private static final class Pages extends WeakReference<GuestPages> {
    private final long first;

    Pages(GuestPages pages, ReferenceQueue<GuestPages> forgotten) {
      super(pages, forgotten);
      first = pages.firstFrame();
    }
  }

  /** Reserves frames that follow each other, for pages about to be made. */
  synchronized long reserve(int count) {
    long first = next;
    next += count;
    return first;
  }

  synchronized void add(GuestPages added) {
    for (Object gone = forgotten.poll(); gone != null; gone = forgotten.poll()) {
      pages.remove(((Pages) gone).first);
    }
    pages.put(added.firstFrame(), new Pages(added, forgotten));
    next = Math.max(next, added.firstFrame() + added.count());
  }

  /** The page at {@code gfn}. */
  synchronized Optional<ByteBuffer> page(long gfn) {
    Map.Entry<Long, Pages> entry = pages.floorEntry(gfn);
    GuestPages found = entry == null ? null : entry.getValue().get();
    return found == null || gfn - found.firstFrame() >= found.count()
        ? Optional.empty()
        : Optional.of(found.page((int) (gfn - found.firstFrame())));
  }

  /** Hands all pages to the frames of another domain, under the same numbers. */
  void moveTo(GuestFrames other, EmbeddedDomain owner) {
    for (GuestPages moved : takeAll()) {
      moved.owner(owner);
      other.add(moved);
    }
  }

  private synchronized Iterable<GuestPages> takeAll() {
    var all = pages.values().stream().map(Pages::get).filter(known -> known != null).toList();
    pages.clear();
    return all;
  }
}
