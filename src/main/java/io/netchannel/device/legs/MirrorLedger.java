package io.netchannel.device.legs;

import com.google.common.base.Splitter;
import com.google.common.collect.ImmutableMap;
import com.google.common.util.concurrent.MoreExecutors;
import io.netchannel.files.Crc32c;
import io.netchannel.files.DurableFile;
import io.netchannel.files.FileCalls;
import io.netchannel.files.UncertainFileException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a host that is none of a mirror's legs knows of it: where its guest runs, and the witness. A
 * file:
 *
 * <pre>
 *   netchannel mirrors 1
 *   GENERATION CLIENT RECORD
 *   ...
 *   crc32c HEX
 * </pre>
 *
 * CLIENT is the disk as its legs' authorities know it; RECORD is a {@link MirrorRecord}, and the
 * one that was changed last comes last. The checksum is of all before its line. Each change
 * replaces the file: after a crash there is the old or the new one, whole; a damaged one is not
 * guessed at.
 *
 * <p>Nothing is forgotten by itself: a record that is missing lets no leg start alone.
 *
 * <p>From any thread. Changes are made one after the other, on a thread that may wait for the
 * storage; whoever reads waits for nothing, and finds what is durable.
 */
public final class MirrorLedger {
  /** One disk's. */
  public record Entry(long generation, MirrorRecord record) {}

  private static final Logger log = LoggerFactory.getLogger(MirrorLedger.class);

  private static final String HEADER = "netchannel mirrors 1";
  private static final String CHECKSUM = "crc32c ";

  private final FileCalls calls;
  private final Path file;
  private final Executor inTurn;

  /** Replaced by changes only. */
  private volatile ImmutableMap<String, Entry> entries = ImmutableMap.of();

  /** Why it is of no use; empty when it is. Known when it is opened. */
  private Optional<IOException> damage = Optional.empty();

  private MirrorLedger(FileCalls calls, Path file, Executor executor) {
    this.calls = calls;
    this.file = file;
    inTurn = MoreExecutors.newSequentialExecutor(executor);
  }

  /**
   * Opens it, or begins one. Where it cannot be read, or is damaged, whoever uses it hears that:
   * disks with one leg need none.
   *
   * @param executor its storage may keep it waiting
   */
  public static MirrorLedger open(Path file, Executor executor) {
    return open(FileCalls.SYSTEM, file, executor);
  }

  static MirrorLedger open(FileCalls calls, Path file, Executor executor) {
    MirrorLedger ledger = new MirrorLedger(calls, file, executor);
    try {
      Optional<byte[]> found = calls.read(file);
      if (found.isPresent()) {
        ledger.parse(new String(found.get(), StandardCharsets.US_ASCII));
      }
    } catch (IOException e) {
      log.error("{}", e.getMessage());
      ledger.damage = Optional.of(e);
    }
    return ledger;
  }

  /**
   * What is known of a disk's legs.
   *
   * @throws IOException when it could not be read, or is damaged
   */
  public Optional<Entry> get(String client) throws IOException {
    checkReadable();
    return Optional.ofNullable(entries.get(client));
  }

  private void checkReadable() throws IOException {
    if (damage.isPresent()) {
      throw new IOException(damage.get().getMessage(), damage.get());
    }
  }

  /**
   * Keeps what a client says; durable when it completes.
   *
   * @param record empty to forget it
   * @return why it is not kept, empty when it is; exceptionally with {@link IOException} when it
   *     cannot be stored, and with {@link UncertainFileException} when it may be there all the same
   */
  public CompletableFuture<Optional<String>> put(
      String client, long generation, Optional<MirrorRecord> record) {
    return inTurn(() -> keep(client, generation, record));
  }

  /** Something that may wait for the storage. */
  @FunctionalInterface
  private interface Step {
    Optional<String> run() throws IOException;
  }

  private CompletableFuture<Optional<String>> inTurn(Step step) {
    CompletableFuture<Optional<String>> kept = new CompletableFuture<>();
    try {
      inTurn.execute(
          () -> {
            try {
              kept.complete(step.run());
            } catch (IOException | RuntimeException | Error e) {
              kept.completeExceptionally(e);
            }
          });
    } catch (RejectedExecutionException e) {
      kept.completeExceptionally(new IOException("the daemon is shutting down", e));
    }
    return kept;
  }

  /**
   * Forgets a mirror; durable when it completes. Nothing where another one of the client is known.
   *
   * @param before what was known when that mirror began, which is so again
   * @return as {@link #put}
   */
  public CompletableFuture<Optional<String>> forget(
      String client, UUID mirror, Optional<Entry> before) {
    return inTurn(
        () -> {
          checkReadable();
          Entry known = entries.get(client);
          if (known != null && known.record().mirror().equals(mirror)) {
            replace(client, before);
          }
          return Optional.empty();
        });
  }

  private Optional<String> keep(String client, long generation, Optional<MirrorRecord> record)
      throws IOException {
    checkReadable();
    Entry known = entries.get(client);
    if (known != null && generation < known.generation()) {
      return Optional.of(
          "the legs of %s are told of with generation %d, and not with %d"
              .formatted(client, known.generation(), generation));
    }
    if (known != null && record.isPresent() && !record.get().mayReplace(known.record())) {
      return Optional.of(
          "%s: %s is known already, not %s".formatted(client, known.record(), record.get()));
    }
    replace(client, record.map(told -> new Entry(generation, told)));
    return Optional.empty();
  }

  private void replace(String client, Optional<Entry> entry) throws IOException {
    Map<String, Entry> changed = new LinkedHashMap<>(entries);
    changed.remove(client);
    entry.ifPresent(told -> changed.put(client, told));
    write(changed);
    entries = ImmutableMap.copyOf(changed);
  }

  private void write(Map<String, Entry> changed) throws IOException {
    StringBuilder text = new StringBuilder(HEADER).append('\n');
    changed.forEach(
        (client, entry) ->
            text.append(entry.generation())
                .append(' ')
                .append(client)
                .append(' ')
                .append(entry.record().encoded())
                .append('\n'));
    String checksum = checksum(text.toString());
    text.append(CHECKSUM).append(checksum).append('\n');
    byte[] bytes = text.toString().getBytes(StandardCharsets.US_ASCII);
    DurableFile.write(calls, file, bytes, DurableFile.PRIVATE).close();
  }

  private static String checksum(String text) {
    return "%08x".formatted(Crc32c.of(StandardCharsets.US_ASCII.encode(text)));
  }

  private void parse(String text) throws IOException {
    List<String> lines = new ArrayList<>(text.lines().toList());
    int last = lines.size() - 1;
    if (last < 1 || !lines.get(0).equals(HEADER) || !lines.get(last).startsWith(CHECKSUM)) {
      throw damaged("the line \"%s\" first and \"%s...\" last".formatted(HEADER, CHECKSUM));
    }
    String summed = text.substring(0, text.lastIndexOf(CHECKSUM));
    if (!lines.get(last).equals(CHECKSUM + checksum(summed))) {
      throw damaged(CHECKSUM + checksum(summed));
    }
    Map<String, Entry> found = new LinkedHashMap<>();
    for (String line : lines.subList(1, last)) {
      List<String> words = Splitter.on(' ').limit(3).splitToList(line);
      try {
        found.put(
            words.get(1),
            new Entry(Long.parseLong(words.get(0)), MirrorRecord.decode(words.get(2))));
      } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
        throw damaged("\"GENERATION CLIENT RECORD\" instead of \"%s\"".formatted(line));
      }
    }
    entries = ImmutableMap.copyOf(found);
  }

  private IOException damaged(String expected) {
    return new IOException(
        "%s is damaged: expected %s; until it is removed no disk with two legs starts here: remove it when both legs of each are there"
            .formatted(file, expected));
  }
}
