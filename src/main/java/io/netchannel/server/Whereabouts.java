package io.netchannel.server;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.legs.MirrorRecord;
import io.netchannel.wire.Attach;
import io.netchannel.wire.Moved;
import java.io.IOException;
import java.time.Clock;
import java.time.temporal.ChronoUnit;
import java.util.Optional;

/**
 * Whether an export is the disk of its clients, as they say: kept with their generations, and so
 * durable before it is answered. Used on the export's executor only.
 *
 * <pre>
 *   THE DISK --MOVED to T--> OUT OF DATE (T) --ATTACH anew--> PARTIAL (T) --ARRIVED--> THE DISK
 *   THE DISK --ATTACH anew---------------------------------> PARTIAL     --ARRIVED--> THE DISK
 *   PARTIAL  --MOVED to T--> OUT OF DATE (T)
 *   A LEG    --ATTACH anew, and not as a leg---------------> PARTIAL     --ARRIVED--> THE DISK
 *
 *   OUT OF DATE, PARTIAL --ATTACH of a newer generation, not anew--> refused
 *                        --ATTACH of the same generation, DETACH, a release, a restart--> the same
 *                        --a person says so, while nobody holds it--> THE DISK
 * </pre>
 *
 * So a copy over what was left takes nothing away from the refusal before it is complete, wherever
 * it is cut off; also one by the generation that holds it as its disk. Who has said ARRIVED does
 * not come anew any more, whether it was answered or not. The generation that has said MOVED may
 * end what it has here, also after a restart: who starts a guest always takes a newer one than the
 * server knows.
 */
final class Whereabouts {
  private final String export;
  private final GenerationStore generations;
  private final Clock clock;

  Whereabouts(String export, GenerationStore generations, Clock clock) {
    this.export = export;
    this.generations = generations;
    this.clock = clock;
  }

  /** Why a client is not let in. */
  Optional<String> refusal(GenerationStore.Entry known, Attach attach) {
    if (attach.anew() || attach.generation() <= known.generation()) {
      return Optional.empty();
    }
    return known
        .outOfDate()
        .map(why -> words(known.client(), why) + wayOut(known.client()))
        .or(
            () ->
                known
                    .mirror()
                    .filter(record -> !attach.leg())
                    .map(record -> legWords(known, record)));
  }

  private String words(String client, OutOfDate why) {
    if (!why.partial()) {
      return "the disk of %s was switched to %s on %s, and export %s is out of date since"
          .formatted(client, why.to().orElseThrow(), why.since(), export);
    }
    return "export %s is a part of a copy of the disk of %s, which was begun on %s and not completed%s"
        .formatted(
            export, client, why.since(), why.to().map(to -> "; the disk is " + to).orElse(""));
  }

  private String legWords(GenerationStore.Entry known, MirrorRecord record) {
    return ("export %s is one of two legs of the disk of %s (%s), and is not used alone: name both"
            + " in the domain's XML, or let it be used as it is with `netchannel release-export"
            + " %s %s --moved` at its server")
        .formatted(export, known.client(), record, export, known.client());
  }

  private String wayOut(String client) {
    return "; swap the disk to it again, or let it be used as it is with `netchannel release-export"
        + " %s %s --moved` at its server".formatted(export, client);
  }

  /** What holds for a client from the ATTACH on that it is let in with. */
  Optional<OutOfDate> from(Attach attach) {
    Optional<OutOfDate> before =
        generations.get(attach.client()).flatMap(GenerationStore.Entry::outOfDate);
    if (!attach.anew() || before.filter(OutOfDate::partial).isPresent()) {
      return before;
    }
    return Optional.of(new OutOfDate(true, before.flatMap(OutOfDate::to), clock.instant()));
  }

  /**
   * Durable when it returns; unchanged when it throws.
   *
   * @param to empty when the disk has arrived here
   * @param isLeg whether the client uses it as a leg: else a copy that has been completed over one
   *     is the disk by itself
   */
  void note(String client, Optional<Moved> to, boolean isLeg) throws IOException {
    GenerationStore.Entry entry = generations.get(client).orElseThrow();
    Optional<OutOfDate> next =
        to.map(moved -> new OutOfDate(false, Optional.of(moved.to()), clock.instant()));
    if (isSame(entry.outOfDate(), next)) {
      generations.renew();
    } else {
      boolean isWhole = next.isEmpty() && entry.outOfDate().orElseThrow().partial();
      generations.put((isWhole && !isLeg ? entry.withMirror(Optional.empty()) : entry).with(next));
    }
  }

  /** Told once more, it is out of date since the first time. */
  private static boolean isSame(Optional<OutOfDate> known, Optional<OutOfDate> next) {
    return known.map(OutOfDate::partial).equals(next.map(OutOfDate::partial))
        && known.flatMap(OutOfDate::to).equals(next.flatMap(OutOfDate::to));
  }

  /**
   * Keeps which legs of a client's disk are up to date; durable when it returns, unchanged when it
   * throws. Of a newer generation than is known: no older one tells anything, or gets in, after it.
   *
   * @param isInUse whether the client uses the export just now: no person's word counts then
   * @return why it is not kept; empty when it is
   */
  Optional<String> record(
      String client, long generation, Optional<MirrorRecord> record, boolean isInUse)
      throws IOException {
    GenerationStore.Entry entry = generations.get(client).orElse(null);
    if (entry == null || generation < entry.generation()) {
      return Optional.of(
          "export %s is used by %s with generation %s, and not with %d"
              .formatted(export, client, entry == null ? "none" : entry.generation(), generation));
    }
    MirrorRecord known = entry.mirror().orElse(null);
    boolean isNewer = generation > entry.generation();
    if (isNewer && isInUse && record.filter(told -> told.isForcedAfter(known)).isPresent()) {
      return Optional.of(
          "export %s is in use by %s: stop its guest first, on whatever host it runs"
              .formatted(export, client));
    }
    if (known != null && record.isPresent() && !record.get().mayReplace(known)) {
      return Optional.of(
          "export %s knows %s already, and does not take %s"
              .formatted(export, known, record.get()));
    }
    boolean fences = isNewer && !isInUse;
    if (entry.mirror().equals(record) && !fences) {
      generations.renew();
    } else {
      GenerationStore.Entry told = entry.withMirror(record);
      generations.put(fences ? told.with(generation, entry.held(), entry.since()) : told);
    }
    return Optional.empty();
  }

  /**
   * A person says that it is the disk, as it is.
   *
   * @throws ExportException when there is nothing to forget, it is in use, or cannot be stored
   */
  void forget(String client) throws ExportException {
    Optional<GenerationStore.Entry> entry =
        generations
            .get(client)
            .filter(known -> known.outOfDate().isPresent() || known.mirror().isPresent());
    if (entry.isEmpty()) {
      throw new ExportException(
          "the disk of %s was not switched away from export %s; `netchannel exports` shows whose were"
              .formatted(client, export));
    }
    if (entry.get().held()) {
      throw new ExportException(
          "export %s is in use by %s, whose disk is being swapped: wait until that is over, or take"
                  .formatted(export, client)
              + " it from that client first, with `netchannel release-export %s %s`"
                  .formatted(export, client));
    }
    try {
      generations.put(entry.get().with(Optional.<OutOfDate>empty()).withMirror(Optional.empty()));
    } catch (IOException e) {
      throw new ExportException(e.getMessage(), e);
    }
  }

  /** What the export is to a client. */
  ExportUse use(String client) {
    Optional<GenerationStore.Entry> last = generations.last();
    if (last.isEmpty()) {
      return ExportUse.UNUSED;
    }
    boolean another = generations.held().stream().anyMatch(entry -> !entry.client().equals(client));
    if (another || !last.get().client().equals(client)) {
      return ExportUse.ANOTHERS;
    }
    return last.get().outOfDate().isPresent() ? ExportUse.LEFT : ExportUse.ITS_DISK;
  }

  /** In milliseconds, as it is known after a restart. */
  Optional<ExportLeft> left() {
    boolean isNeeded =
        !generations.held().isEmpty()
            || generations.outOfDate().stream()
                .anyMatch(entry -> entry.outOfDate().orElseThrow().partial());
    return isNeeded
        ? Optional.empty()
        : generations
            .last()
            .flatMap(
                last ->
                    last.outOfDate()
                        .map(
                            why ->
                                new ExportLeft(
                                    last.client(),
                                    why.since().truncatedTo(ChronoUnit.MILLIS),
                                    last.since().truncatedTo(ChronoUnit.MILLIS))));
  }

  ImmutableList<ExportStatus.Elsewhere> status() {
    return generations.outOfDate().stream()
        .map(
            entry -> {
              OutOfDate why = entry.outOfDate().orElseThrow();
              return new ExportStatus.Elsewhere(
                  entry.client(), why.to(), why.since(), why.partial());
            })
        .collect(ImmutableList.toImmutableList());
  }
}
