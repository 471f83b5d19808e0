package io.netchannel.server;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.legs.MirrorRecord;
import io.netchannel.files.Crc32c;
import io.netchannel.files.DurableFile;
import io.netchannel.files.FileCalls;
import io.netchannel.files.UncertainFileException;
import io.netchannel.wire.Names;
import java.io.IOException;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Predicate;

/**
 * The newest generation of each client of one export, in a file of its own:
 *
 * <pre>
 *   netchannel generations 1|2|3
 *   GENERATION held|free SINCE STORAGE CLIENT PLACE
 *   GENERATION held|free SINCE STORAGE CLIENT PLACE moved|partial AT TO
 *   GENERATION held|free SINCE STORAGE CLIENT PLACE [moved|partial AT TO] mirror RECORD
 *   ...
 *   crc32c HEX
 * </pre>
 *
 * SINCE and AT are in milliseconds since 1970, PLACE and TO are URL-encoded, the client used last
 * comes last. The checksum is of all before its line. What AT and TO are is in {@link OutOfDate}; a
 * TO that is not known is left out. Version 2 is written when there is such a line only: a server
 * that does not know these would let in whom they keep out, so it must not understand the file; and
 * it goes on with any other. So it is with version 3 and RECORD, a {@link MirrorRecord},
 * URL-encoded.
 *
 * <p>Each change replaces the file ({@link DurableFile}): after a crash there is the old or the new
 * one, whole. A damaged file is not guessed at. Not thread-safe.
 *
 * <pre>
 *   found --put, renew--> CERTAIN <-------put, renew------- UNCERTAIN
 *                            +--a put, nobody knows if done-->+
 * </pre>
 *
 * What was found is as uncertain: the process before may have failed to make it durable, and then a
 * power cut would bring back a client that it has fenced. Until it is {@link #renew renewed} it may
 * refuse a client, but let none in.
 */
final class GenerationStore {
  /**
   * @param held from the first ATTACH to DETACH
   * @param storage {@link ServerParts#storage} on which it has lost nothing: that of its last
   *     flush, before that of its first ATTACH; {@link #LOST} when a flush has failed
   * @param place {@link io.netchannel.device.Devices#place} of what it has as this export
   * @param outOfDate why that is not its disk; empty when it is
   * @param mirror of which it is a leg; empty when it is none
   */
  record Entry(
      String client,
      long generation,
      boolean held,
      Instant since,
      UUID storage,
      String place,
      Optional<OutOfDate> outOfDate,
      Optional<MirrorRecord> mirror) {

    /** Of a client whose disk has one leg. */
    Entry(
        String client,
        long generation,
        boolean held,
        Instant since,
        UUID storage,
        String place,
        Optional<OutOfDate> outOfDate) {
      this(client, generation, held, since, storage, place, outOfDate, Optional.empty());
    }

    /** The same with another fate. */
    Entry with(long newGeneration, boolean nowHeld, Instant now) {
      return new Entry(client, newGeneration, nowHeld, now, storage, place, outOfDate, mirror);
    }

    /** The same, told of another storage. */
    Entry with(UUID newStorage) {
      return new Entry(client, generation, held, since, newStorage, place, outOfDate, mirror);
    }

    /** The same, whose disk is elsewhere, or here. */
    Entry with(Optional<OutOfDate> why) {
      return new Entry(client, generation, held, since, storage, place, why, mirror);
    }

    /** The same, of a mirror of which that is up to date; or of none. */
    Entry withMirror(Optional<MirrorRecord> record) {
      return new Entry(client, generation, held, since, storage, place, outOfDate, record);
    }

    /** Whether it keeps somebody out beside those that are fenced. */
    private boolean isKept() {
      return outOfDate.isPresent() || mirror.isPresent();
    }

    private boolean fencedNobody() {
      return !isKept() && generation <= 1;
    }
  }

  /**
   * Beyond, who holds nothing is forgotten, oldest first: first of all those that had generation 1
   * only, as tools do, which fenced nobody; then the others, which are no longer fenced; at last
   * those whose disk is elsewhere, or has another leg, which could start from here again without a
   * word.
   */
  static final int MAX_CLIENTS = 1024;

  /** No storage has this identity. */
  static final UUID LOST = new UUID(0, 0);

  private static final String HEADER = "netchannel generations 1";
  private static final String HEADER_2 = "netchannel generations 2";
  private static final String HEADER_3 = "netchannel generations 3";
  private static final String CHECKSUM = "crc32c ";

  private static final ImmutableList<String> VERSIONS =
      ImmutableList.of(HEADER, HEADER_2, HEADER_3);

  /** Of a line. */
  private static final int LEAST_WORDS = 6;

  /** Of one whose client's disk is elsewhere. */
  private static final int MOST_WORDS = 9;

  /** What comes before a record, at the end of a line. */
  private static final String MIRROR = "mirror";

  private final FileCalls calls;
  private final Path file;
  private final Map<String, Entry> entries = new LinkedHashMap<>();

  /** Whether a power cut leaves just this. */
  private boolean certain;

  private GenerationStore(FileCalls calls, Path file) {
    this.calls = calls;
    this.file = file;
  }

  static GenerationStore open(Path file) throws IOException {
    return open(FileCalls.SYSTEM, file);
  }

  static GenerationStore open(FileCalls calls, Path file) throws IOException {
    GenerationStore store = new GenerationStore(calls, file);
    Optional<byte[]> found = calls.read(file);
    if (found.isPresent()) {
      store.parse(new String(found.get(), StandardCharsets.US_ASCII));
    }
    return store;
  }

  Optional<Entry> get(String client) {
    return Optional.ofNullable(entries.get(client));
  }

  ImmutableList<Entry> held() {
    return entries.values().stream().filter(Entry::held).collect(ImmutableList.toImmutableList());
  }

  /** Who has used it last; empty when nobody ever has. */
  Optional<Entry> last() {
    return entries.values().stream().reduce((earlier, later) -> later);
  }

  /** Of the clients whose disk is elsewhere; the one told of last comes last. */
  ImmutableList<Entry> outOfDate() {
    return entries.values().stream()
        .filter(entry -> entry.outOfDate().isPresent())
        .collect(ImmutableList.toImmutableList());
  }

  /** Durable when it returns; unchanged when it throws. */
  void put(Entry entry) throws IOException {
    Map<String, Entry> changed = new LinkedHashMap<>(entries);
    changed.remove(entry.client());
    changed.put(entry.client(), entry);
    forget(changed, Entry::fencedNobody);
    forget(changed, other -> !other.isKept());
    forget(changed, other -> true);
    write(changed);
    entries.clear();
    entries.putAll(changed);
  }

  /**
   * Makes what it says durable, once; not when it is opened, as hundreds of them are at a start.
   *
   * @throws IOException when a power cut may still leave something else
   */
  void renew() throws IOException {
    if (!certain) {
      write(entries);
    }
  }

  private static void forget(Map<String, Entry> changed, Predicate<Entry> which) {
    Iterator<Entry> eldest = changed.values().iterator();
    while (changed.size() > MAX_CLIENTS && eldest.hasNext()) {
      Entry entry = eldest.next();
      if (!entry.held() && which.test(entry)) {
        eldest.remove();
      }
    }
  }

  private void write(Map<String, Entry> changed) throws IOException {
    StringBuilder text = new StringBuilder(header(changed)).append('\n');
    for (Entry entry : changed.values()) {
      text.append(entry.generation())
          .append(entry.held() ? " held " : " free ")
          .append(entry.since().toEpochMilli())
          .append(' ')
          .append(entry.storage())
          .append(' ')
          .append(entry.client())
          .append(' ')
          .append(URLEncoder.encode(entry.place(), StandardCharsets.UTF_8))
          .append(entry.outOfDate().map(OutOfDate::encoded).orElse(""))
          .append(entry.mirror().map(GenerationStore::encoded).orElse(""))
          .append('\n');
    }
    String checksum = checksum(text.toString());
    text.append(CHECKSUM).append(checksum).append('\n');
    byte[] bytes = text.toString().getBytes(StandardCharsets.US_ASCII);
    try {
      DurableFile.write(calls, file, bytes, DurableFile.PRIVATE).close();
      certain = true;
    } catch (UncertainFileException e) {
      certain = false;
      throw e;
    }
  }

  /** The oldest version that says all. */
  private static String header(Map<String, Entry> entries) {
    if (entries.values().stream().anyMatch(entry -> entry.mirror().isPresent())) {
      return HEADER_3;
    }
    boolean isPlain = entries.values().stream().allMatch(entry -> entry.outOfDate().isEmpty());
    return isPlain ? HEADER : HEADER_2;
  }

  private static String encoded(MirrorRecord record) {
    return " " + MIRROR + " " + URLEncoder.encode(record.encoded(), StandardCharsets.UTF_8);
  }

  /** Its lowest byte first, as files have had it from the beginning. */
  private static String checksum(String text) {
    int crc = Crc32c.of(StandardCharsets.US_ASCII.encode(text));
    return "%08x".formatted(Integer.reverseBytes(crc));
  }

  private void parse(String text) throws IOException {
    List<String> lines = text.lines().toList();
    int last = lines.size() - 1;
    int version = last < 1 ? 0 : VERSIONS.indexOf(lines.get(0)) + 1;
    boolean isKnown = version > 0;
    if (!isKnown || !lines.get(last).startsWith(CHECKSUM)) {
      throw damaged(
          "the line \"%s\" first and \"%s...\" last"
              .formatted(String.join("\" or \"", VERSIONS), CHECKSUM));
    }
    String summed = text.substring(0, text.lastIndexOf(CHECKSUM));
    if (!lines.get(last).equals(CHECKSUM + checksum(summed))) {
      throw damaged(CHECKSUM + checksum(summed));
    }
    for (String line : lines.subList(1, last)) {
      Entry entry = entry(line, version);
      entries.put(entry.client(), entry);
    }
  }

  private Entry entry(String line, int version) throws IOException {
    int mostWords = version == 1 ? LEAST_WORDS : MOST_WORDS;
    try {
      Optional<MirrorRecord> mirror = Optional.empty();
      String[] words = line.split(" ", -1);
      int last = words.length - 1;
      if (version >= 3 && last > LEAST_WORDS && words[last - 1].equals(MIRROR)) {
        String record = URLDecoder.decode(words[last], StandardCharsets.UTF_8);
        mirror = Optional.of(MirrorRecord.decode(record));
        words = Arrays.copyOf(words, last - 1);
      }
      if (words.length >= LEAST_WORDS && words.length <= mostWords && Names.isClient(words[4])) {
        long generation = Long.parseLong(words[0]);
        boolean held = words[1].equals("held");
        if (generation > 0 && (held || words[1].equals("free"))) {
          return new Entry(
              words[4],
              generation,
              held,
              Instant.ofEpochMilli(Long.parseLong(words[2])),
              UUID.fromString(words[3]),
              URLDecoder.decode(words[5], StandardCharsets.UTF_8),
              OutOfDate.decode(List.of(words).subList(LEAST_WORDS, words.length)),
              mirror);
        }
      }
    } catch (IllegalArgumentException e) {
      throw damaged("numbers, a UUID and encoded places in \"" + line + "\"");
    }
    throw damaged(
        "\"GENERATION held|free SINCE STORAGE CLIENT PLACE%s\" instead of \"%s\""
            .formatted(mostWords > LEAST_WORDS ? " [moved|partial AT TO]" : "", line));
  }

  private IOException damaged(String expected) {
    return new IOException(
        "%s is damaged: expected %s; it tells which clients must not write any more: remove it only"
                .formatted(file, expected)
            + " when no client of this export but the right one can be alive");
  }
}
