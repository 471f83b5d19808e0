package io.netchannel.midpoint.block;

import io.netchannel.midpoint.block.SharedRings.Request;
import io.netchannel.midpoint.block.SharedRings.Response;
import io.netchannel.vdevice.block.BlockOperation;
import io.netchannel.vdevice.block.ResponseStatus;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.function.Supplier;

/**
 * A guest with overlapping, racing I/O on a small disk, and its frontend: it resubmits what it has
 * not seen answered by content, in another order, split and merged, as blkfront does on resume.
 * Checks every answer with the model.
 */
final class SimulatedGuest {
  /** Small: the same ranges are to be met again and again. */
  static final int SECTORS = 20;

  private static final int SECTOR_BYTES = BlockLimits.SECTOR_BYTES;
  private static final int MAX_SECTORS = 6;

  /** One request of the guest's file system: done when all its sectors are. */
  private static final class Bio {
    BlockOperation operation = BlockOperation.READ;
    int firstSector;
    int sectors;
    byte[] data = new byte[0];
    long start;
    boolean failed;
    final List<DiskModel.Version> versions = new ArrayList<>();
    final Set<Integer> left = new HashSet<>();
  }

  /** A ring request and the parts of bios in it. */
  private record Part(Bio bio, int firstSector, int sectors) {}

  private record Sent(Request request, List<Part> parts) {}

  private final Random random;
  private final DiskModel model;

  /** What is left of its disk when the power goes. */
  private final Supplier<byte[]> durable;

  private final boolean errors;
  private final List<Bio> bios = new ArrayList<>();
  private final List<Map<Long, Sent>> sent = new ArrayList<>();
  private SharedRings rings;
  private long nextStamp = 1;
  private boolean halted;
  int answered;

  /** When the last flush began that was answered. */
  private long flushed;

  SimulatedGuest(Random random, DiskModel model, Storage storage, boolean errors) {
    this(random, model, () -> storage.bytes, errors);
  }

  SimulatedGuest(Random random, DiskModel model, Supplier<byte[]> durable, boolean errors) {
    this.random = random;
    this.model = model;
    this.durable = durable;
    this.errors = errors;
    rings = newRings();
  }

  SharedRings rings() {
    return rings;
  }

  int outstanding() {
    return bios.size();
  }

  private SharedRings newRings() {
    int count = 1 + random.nextInt(2);
    sent.clear();
    for (int i = 0; i < count; i++) {
      sent.add(new HashMap<>());
    }
    return new SharedRings(count);
  }

  /** Submits a new request, unless there are many already. */
  void submit(int maxOutstanding) {
    if (halted || bios.size() >= maxOutstanding) {
      return;
    }
    Bio bio = new Bio();
    int kind = random.nextInt(20);
    bio.operation =
        kind < 7
            ? BlockOperation.READ
            : kind < 15
                ? BlockOperation.WRITE
                : kind < 16
                    ? BlockOperation.WRITE_BARRIER
                    : kind < 18 ? BlockOperation.FLUSH : BlockOperation.DISCARD;
    bio.sectors =
        bio.operation == BlockOperation.FLUSH && random.nextBoolean()
            ? 0
            : 1 + random.nextInt(MAX_SECTORS);
    bio.firstSector = random.nextInt(SECTORS - bio.sectors + 1);
    bio.data = new byte[bio.sectors * SECTOR_BYTES];
    bio.start = model.tick();
    for (int i = 0; i < bio.sectors; i++) {
      bio.left.add(bio.firstSector + i);
      if (bio.operation != BlockOperation.READ) {
        // Old content comes back now and then: that is what a stale digest would fall for.
        long stamp =
            bio.operation == BlockOperation.DISCARD
                ? 0
                : random.nextInt(2) == 0
                    ? 1 + random.nextInt((int) Math.min(nextStamp, 3))
                    : nextStamp++;
        if (bio.operation != BlockOperation.DISCARD) {
          System.arraycopy(DiskModel.content(stamp), 0, bio.data, i * SECTOR_BYTES, SECTOR_BYTES);
        }
        bio.versions.add(model.begin(bio.firstSector + i, stamp));
      }
    }
    bios.add(bio);
    send(bio.operation, List.of(new Part(bio, bio.firstSector, bio.sectors)));
  }

  private void send(BlockOperation operation, List<Part> parts) {
    int first = parts.get(0).firstSector();
    int sectors = parts.stream().mapToInt(Part::sectors).sum();
    byte[] data = new byte[sectors * SECTOR_BYTES];
    for (Part part : parts) {
      if (operation != BlockOperation.READ && operation != BlockOperation.DISCARD) {
        System.arraycopy(
            part.bio().data,
            (part.firstSector() - part.bio().firstSector) * SECTOR_BYTES,
            data,
            (part.firstSector() - first) * SECTOR_BYTES,
            part.sectors() * SECTOR_BYTES);
      }
    }
    int queue = random.nextInt(sent.size());
    // Ids are used again as soon as they are free, as by blkfront's shadow.
    long id = 0;
    while (sent.get(queue).containsKey(id)) {
      id++;
    }
    Request request =
        new Request(
            id, operation, (long) first * SECTOR_BYTES, (long) sectors * SECTOR_BYTES, data);
    sent.get(queue).put(id, new Sent(request, parts));
    rings.push(queue, request);
  }

  /** The interrupt handler: takes some or all responses. */
  void interrupt(boolean all) {
    if (halted) {
      return;
    }
    for (int queue = 0; queue < rings.queues.size(); queue++) {
      SharedRings.Queue ring = rings.queues.get(queue);
      int until = ring.responses.size();
      if (!all && until > ring.responseConsumer) {
        until = ring.responseConsumer + random.nextInt(until - ring.responseConsumer + 1);
      }
      while (ring.responseConsumer < until) {
        Response response = ring.responses.get(ring.responseConsumer++);
        Sent request = sent.get(queue).remove(response.id());
        for (Part part : request.parts()) {
          complete(part, request.request(), response.status());
        }
      }
    }
  }

  private void complete(Part part, Request request, ResponseStatus status) {
    Bio bio = part.bio();
    if (status != ResponseStatus.OKAY) {
      if (!errors) {
        throw new AssertionError("a request failed with " + status + ": " + request);
      }
      bio.failed = true;
    }
    for (int i = 0; i < part.sectors(); i++) {
      int sector = part.firstSector() + i;
      if (!bio.left.remove(sector)) {
        throw new AssertionError("sector " + sector + " was answered twice");
      }
      if (bio.operation == BlockOperation.READ && status == ResponseStatus.OKAY) {
        int offset = (int) ((long) sector * SECTOR_BYTES - request.offset());
        model.check(sector, request.data(), offset, bio.start, "read");
      }
    }
    if (bio.left.isEmpty()) {
      bios.remove(bio);
      answered++;
      for (DiskModel.Version version : bio.versions) {
        model.end(version, !bio.failed && bio.operation != BlockOperation.DISCARD);
      }
      boolean flushes =
          bio.operation == BlockOperation.FLUSH || bio.operation == BlockOperation.WRITE_BARRIER;
      if (flushes && !bio.failed) {
        flushed = Math.max(flushed, bio.start);
        checkDurable("after a flush");
      }
    }
  }

  /** Should the power go now: nothing is older than the last flush. */
  void checkDurable(String what) {
    byte[] bytes = durable.get();
    for (int sector = 0; sector < SECTORS; sector++) {
      model.check(sector, bytes, sector * SECTOR_BYTES, flushed, what);
    }
  }

  /** Suspended: sees and sends nothing. */
  void halt() {
    halted = true;
  }

  void resume() {
    halted = false;
  }

  /** Resumes with fresh rings and resubmits everything it has not seen answered. */
  SharedRings resumeElsewhere() {
    halted = false;
    Map<Bio, List<Part>> unseen = new HashMap<>();
    for (Map<Long, Sent> queue : sent) {
      for (Sent request : queue.values()) {
        for (Part part : request.parts()) {
          unseen.computeIfAbsent(part.bio(), bio -> new ArrayList<>()).add(part);
        }
      }
    }
    rings = newRings();
    List<Part> parts = new ArrayList<>();
    for (Bio bio : bios) {
      for (Part part : unseen.getOrDefault(bio, List.of())) {
        parts.addAll(split(part));
      }
    }
    // Order is kept mostly; anything outstanding together may be reordered.
    for (int i = 0; i < parts.size() / 3; i++) {
      parts.add(parts.remove(random.nextInt(parts.size())));
    }
    while (!parts.isEmpty()) {
      List<Part> merged = new ArrayList<>();
      merged.add(parts.remove(0));
      Part last = merged.get(0);
      BlockOperation operation = last.bio().operation;
      boolean plain = operation == BlockOperation.READ || operation == BlockOperation.WRITE;
      for (int i = 0; plain && i < parts.size(); i++) {
        Part next = parts.get(i);
        if (next.bio().operation == operation
            && next.firstSector() == last.firstSector() + last.sectors()
            && random.nextInt(4) != 0) {
          merged.add(next);
          parts.remove(i);
          last = next;
          i = -1;
        }
      }
      send(operation, merged);
    }
    return rings;
  }

  private List<Part> split(Part part) {
    BlockOperation operation = part.bio().operation;
    boolean plain = operation == BlockOperation.READ || operation == BlockOperation.WRITE;
    if (!plain || part.sectors() < 2 || random.nextInt(3) != 0) {
      return List.of(part);
    }
    int first = 1 + random.nextInt(part.sectors() - 1);
    return List.of(
        new Part(part.bio(), part.firstSector(), first),
        new Part(part.bio(), part.firstSector() + first, part.sectors() - first));
  }

  void checkDisk(byte[] bytes, String what) {
    long start = model.tick();
    for (int sector = 0; sector < SECTORS; sector++) {
      model.check(sector, bytes, sector * SECTOR_BYTES, start, what);
    }
  }
}
