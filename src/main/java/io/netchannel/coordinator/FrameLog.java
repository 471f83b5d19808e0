package io.netchannel.coordinator;

import com.google.common.collect.ImmutableList;
import io.netchannel.files.Crc32c;
import io.netchannel.files.UncertainFileException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An append-only log of frames, each durable when {@link #append} returns.
 *
 * <pre>
 *   +-------+--------+---------------------------+-----------------+
 *   | magic | length | CRC32C of length, payload | payload, length | next frame ... | zeros
 *   | 4     | 4      | 4                         | bytes           |
 *   +-------+--------+---------------------------+-----------------+
 * </pre>
 *
 * Big-endian. The zeros after the last frame are room reserved on the disk ({@link #makeRoom}), so
 * that a migration that has begun can be ended on a full disk, and so that making a frame durable
 * changes no metadata of the file.
 *
 * <p>Only the last frame can be torn by a crash, as each is durable before the next is written. So
 * rubbish after the last good frame is cut off, and rubbish with a good frame behind it is damage:
 * the log is then refused, since a forgotten "given" would make two owners.
 *
 * <pre>
 *   found --- replaced as a whole; no room for that: renewed in place ---> WRITABLE <-+
 *     |                                                                     |   |     | a record or
 *     |  a sync, a rename, the directory's sync, an erasure fails           |   +-----+ the reserve
 *     +-------------------------------> BROKEN <----------------------------+   does not fit
 *                            every record is refused until a restart
 * </pre>
 *
 * What was found is not believed: the process before may have failed to make it durable, and then
 * it is in the cache only, where nothing tells it from what is on the disk, and a second sync says
 * nothing of it.
 */
final class FrameLog implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(FrameLog.class);

  private static final int MAGIC = 0x4e434a31; // "NCJ1"
  private static final int HEADER_BYTES = 12;

  /** A record is a few hundred bytes for each disk; more than this is no record. */
  private static final int MAX_PAYLOAD_BYTES = 1 << 20;

  /**
   * Room for the records of a migration of a domain with many disks and as many notes as it may.
   */
  static final int RESERVE_BYTES = 256 << 10;

  /** Reading a log this long takes milliseconds; a record says all about its migration. */
  static final int COMPACT_BYTES = 1 << 20;

  private final JournalStorage storage;
  private final ImmutableList<byte[]> found;
  private long usedBytes;
  private long sizeBytes;

  /** Why nothing is written any more. Read by who must not wait for a disk. */
  private volatile String broken = "";

  /** Why the last attempt failed; the next one may succeed. Likewise. */
  private volatile String refused = "";

  /** Reads the log without a torn tail; {@link #replace} or {@link #renewInPlace} comes next. */
  FrameLog(JournalStorage storage) throws JournalException {
    this.storage = storage;
    byte[] bytes;
    try {
      bytes = storage.read();
    } catch (IOException e) {
      throw new JournalException("cannot read " + storage.location() + ": " + e.getMessage(), e);
    }
    ImmutableList.Builder<byte[]> frames = ImmutableList.builder();
    int position = 0;
    for (byte[] payload = frameAt(bytes, position);
        payload != null;
        payload = frameAt(bytes, position)) {
      frames.add(payload);
      position += HEADER_BYTES + payload.length;
    }
    this.found = frames.build();
    this.usedBytes = position;
    this.sizeBytes = bytes.length;
    if (!isZero(bytes, position)) {
      cutTail(bytes, position);
    }
  }

  /** What the log held when it was opened, oldest first. */
  ImmutableList<byte[]> found() {
    return found;
  }

  long usedBytes() {
    return usedBytes;
  }

  /**
   * What is wrong with the log, since when nothing can be written or no migration can begin, and
   * what to do; empty when nothing is. Waits for no disk.
   */
  Optional<String> problem() {
    return Stream.of(broken, refused).filter(words -> !words.isEmpty()).findFirst();
  }

  /**
   * Adds a frame and makes it durable.
   *
   * @throws JournalException when that fails; the frame is then not in the log
   * @throws UncertainJournalException when a restart may find it nevertheless
   */
  void append(byte[] payload) throws JournalException {
    checkWritable();
    byte[] frame = frame(payload);
    try {
      storage.write(usedBytes, frame);
    } catch (IOException e) {
      eraseHeader();
      JournalException refused = refused("cannot write " + storage.location(), e);
      throw broken.isEmpty() ? refused : new UncertainJournalException(broken, e);
    }
    force();
    usedBytes += frame.length;
    sizeBytes = Math.max(sizeBytes, usedBytes);
    if (hasRoom()) {
      refused = "";
    }
  }

  /** Reserves room for {@link #RESERVE_BYTES} more. */
  void makeRoom() throws JournalException {
    checkWritable();
    long wanted = usedBytes + RESERVE_BYTES;
    if (hasRoom()) {
      refused = "";
      return;
    }
    try {
      storage.write(sizeBytes, new byte[Math.toIntExact(wanted - sizeBytes)]);
    } catch (IOException e) {
      throw refused("no room for " + storage.location(), e);
    }
    force();
    sizeBytes = wanted;
    refused = "";
  }

  /** Enough of the reserve is left for a migration. */
  private boolean hasRoom() {
    return sizeBytes >= usedBytes + RESERVE_BYTES / 2;
  }

  /** Whether {@link #replace} would be worth it. */
  boolean isLong() {
    return usedBytes > COMPACT_BYTES;
  }

  /** Puts these frames in the place of all. */
  void replace(List<byte[]> payloads) throws JournalException {
    checkWritable();
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    payloads.forEach(payload -> all.writeBytes(frame(payload)));
    long used = all.size();
    all.writeBytes(new byte[RESERVE_BYTES]);
    try {
      storage.replace(all.toByteArray());
    } catch (UncertainFileException e) {
      breakDown(e);
      throw new JournalException(broken, e);
    } catch (IOException e) {
      throw refused("cannot compact " + storage.location(), e);
    }
    usedBytes = used;
    sizeBytes = all.size();
    refused = "";
  }

  /**
   * Makes durable what was found, where it stands, for want of room for another file; cuts off a
   * torn tail. Nothing is written any more when that fails.
   */
  void renewInPlace() {
    try {
      byte[] all = storage.read();
      Arrays.fill(all, Math.toIntExact(usedBytes), all.length, (byte) 0);
      storage.write(0, all);
      storage.force();
    } catch (IOException e) {
      breakDown(e);
    }
  }

  @Override
  public void close() throws JournalException {
    try {
      storage.close();
    } catch (IOException e) {
      throw new JournalException("cannot close " + storage.location() + ": " + e.getMessage(), e);
    }
  }

  private void cutTail(byte[] bytes, int position) throws JournalException {
    for (int at = position + 1; at + HEADER_BYTES <= bytes.length; at++) {
      if (frameAt(bytes, at) != null) {
        throw new JournalException(
            storage.location()
                + " is damaged at byte "
                + position
                + ": expected a record, found something else and a good record behind it at byte "
                + at
                + ". Restore the file, or move it away when no migration was under way: then look"
                + " at both hosts which of them runs each domain before you start it");
      }
    }
    log.warn(
        "{}: cut a torn record of at most {} bytes off the end, at byte {}; what it was to protect"
            + " has not happened",
        storage.location(),
        bytes.length - position,
        position);
  }

  /** After a failed write: what was written of the frame must not be taken for one. */
  private void eraseHeader() {
    if (usedBytes >= sizeBytes) {
      // Beyond the reserve a part of a frame fails its checksum, and the next frame overwrites it.
      return;
    }
    try {
      storage.write(usedBytes, new byte[(int) Math.min(HEADER_BYTES, sizeBytes - usedBytes)]);
    } catch (IOException e) {
      breakDown(e);
    }
  }

  private void force() throws JournalException {
    try {
      storage.force();
    } catch (IOException e) {
      breakDown(e);
      throw new UncertainJournalException(broken, e);
    }
  }

  /**
   * After a failed fsync, of the log or of its directory, nobody knows what is on the disk, and a
   * second one may lie. A record that gives a disk away could be one that no restart finds: the
   * host writes none any more.
   */
  private void breakDown(IOException e) {
    broken =
        storage.location()
            + " could not be made durable ("
            + e.getMessage()
            + "): this host owns no more disks and gives none away; check the disk and restart"
            + " netchanneld";
    log.error(broken);
  }

  private JournalException refused(String what, IOException e) {
    String words =
        what
            + " ("
            + e.getMessage()
            + "): no migration can begin and no disk can start; free some space there or check the"
            + " disk, it is tried again with the next one";
    refused = words;
    return new JournalException(words, e);
  }

  private void checkWritable() throws JournalException {
    if (!broken.isEmpty()) {
      throw new JournalException(broken);
    }
  }

  private static byte[] frame(byte[] payload) {
    if (payload.length > MAX_PAYLOAD_BYTES) {
      throw new IllegalArgumentException("a record of " + payload.length + " bytes");
    }
    return ByteBuffer.allocate(HEADER_BYTES + payload.length)
        .putInt(MAGIC)
        .putInt(payload.length)
        .putInt(checksum(payload, 0, payload.length))
        .put(payload)
        .array();
  }

  private static byte[] frameAt(byte[] bytes, int position) {
    if (bytes.length - position < HEADER_BYTES) {
      return null;
    }
    ByteBuffer header = ByteBuffer.wrap(bytes, position, HEADER_BYTES);
    if (header.getInt() != MAGIC) {
      return null;
    }
    int length = header.getInt();
    int crc = header.getInt();
    int start = position + HEADER_BYTES;
    if (length < 0
        || length > MAX_PAYLOAD_BYTES
        || length > bytes.length - start
        || crc != checksum(bytes, start, length)) {
      return null;
    }
    byte[] payload = new byte[length];
    System.arraycopy(bytes, start, payload, 0, length);
    return payload;
  }

  private static int checksum(byte[] bytes, int offset, int length) {
    // The length in the byte order that journals have had from the beginning.
    ByteBuffer first = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(length).flip();
    return new Crc32c().add(first).add(ByteBuffer.wrap(bytes, offset, length)).value();
  }

  private static boolean isZero(byte[] bytes, int from) {
    for (int i = from; i < bytes.length; i++) {
      if (bytes[i] != 0) {
        return false;
      }
    }
    return true;
  }
}
