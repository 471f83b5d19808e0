package io.netchannel.device.legs;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.util.concurrent.MoreExecutors;
import io.netchannel.device.DeviceException;
import io.netchannel.files.UncertainFileException;
import java.io.IOException;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Who keeps the record of one mirror: the authorities of its members, this host, and the witness.
 *
 * <pre>
 *   KNOWN --record--> ASKED --all have it--> KNOWN
 *                      | ^
 *                      | +--asked again: nobody knows, whatever happens now, until all have it
 *                      +--nobody was told: KNOWN
 *                      +--another one is asked, with its own epoch: ASKED
 * </pre>
 *
 * Of one leg that goes on alone this host is told before that leg: so where it knows of none, no
 * leg does. It is told of both after both: so a leg that may start alone by its record has that
 * record itself.
 *
 * <p>One thing after the other, on a thread that may wait; all but what is read belongs to it.
 */
final class MirrorKeepers {
  private static final Logger log = LoggerFactory.getLogger(MirrorKeepers.class);

  private final String user;
  private final ImmutableMap<String, Authority> legs;
  private final MirrorLedger ledger;
  private final Optional<Authority> witness;
  private final Executor inTurn;
  private volatile long generation;
  private volatile MirrorRecord record;

  /** The last one that somebody may have been told of; the record, or one that not all have. */
  private MirrorRecord asked;

  /** What this host knew of another mirror of the user when this one began. */
  private Optional<MirrorLedger.Entry> before = Optional.empty();

  /**
   * @param legs the authorities, by source
   * @param executor may be kept waiting
   * @param record the newest; its keepers may not have it yet
   */
  MirrorKeepers(
      String user,
      long generation,
      ImmutableMap<String, Authority> legs,
      MirrorLedger ledger,
      Optional<Authority> witness,
      Executor executor,
      MirrorRecord record) {
    this.user = user;
    this.generation = generation;
    this.legs = legs;
    this.ledger = ledger;
    this.witness = witness;
    this.inTurn = MoreExecutors.newSequentialExecutor(executor);
    this.record = record;
    this.asked = record;
  }

  MirrorRecord record() {
    return record;
  }

  long generation() {
    return generation;
  }

  void useGeneration(long newer) {
    generation = Math.max(generation, newer);
  }

  /**
   * Records who is up to date from now on. Asked the same again it says the same again, else a
   * newer one.
   *
   * @return completes when it is durable at all of them; exceptionally with {@link
   *     Authority.UntoldException} when it may be there, else when it is nowhere
   */
  CompletableFuture<Void> record(ImmutableList<String> members) {
    return inTurn(
        () -> {
          boolean isSame = !asked.equals(record) && asked.members().equals(members);
          put(isSame ? asked : asked.next(generation, members), members);
        });
  }

  /** Something that may wait for another host. */
  @FunctionalInterface
  private interface Step {
    void run() throws DeviceException;
  }

  private CompletableFuture<Void> inTurn(Step step) {
    CompletableFuture<Void> done = new CompletableFuture<>();
    try {
      inTurn.execute(
          () -> {
            try {
              step.run();
              done.complete(null);
            } catch (DeviceException | RuntimeException | Error e) {
              done.completeExceptionally(e);
            }
          });
    } catch (RejectedExecutionException e) {
      done.completeExceptionally(new DeviceException(user + ": the daemon is shutting down", e));
    }
    return done;
  }

  /** Waits for one of them. */
  static void await(CompletableFuture<Void> done) throws DeviceException {
    try {
      done.join();
    } catch (CompletionException e) {
      throw new DeviceException(e.getCause().getMessage(), e.getCause());
    }
  }

  /**
   * Makes a record known, and the one: at the start.
   *
   * @param told those legs that are there: also one that is behind has to know it
   */
  CompletableFuture<Void> begin(MirrorRecord first, ImmutableList<String> told) {
    return inTurn(
        () -> {
          before = knownHere().filter(known -> !known.record().mirror().equals(first.mirror()));
          put(first, told);
        });
  }

  private Optional<MirrorLedger.Entry> knownHere() throws DeviceException {
    try {
      return ledger.get(user);
    } catch (IOException e) {
      throw new DeviceException("this host: " + e.getMessage(), e);
    }
  }

  /**
   * A person says who is up to date. First the other leg hears it, if it can be reached: a guest
   * that has come into use there is not robbed of it, and one that comes later is refused.
   */
  CompletableFuture<Void> force(MirrorRecord forced, boolean tellsOther) {
    String leg = forced.members().get(0);
    return inTurn(
        () -> {
          if (tellsOther) {
            tell(forced.other(leg), forced);
          }
          try {
            tell(leg, forced);
          } catch (DeviceException e) {
            throw tellsOther ? halfTold(forced, leg, e) : e;
          }
          noteHere(forced);
          tellWitness(forced);
        });
  }

  private static DeviceException halfTold(MirrorRecord forced, String leg, DeviceException cause) {
    return new DeviceException(
        "%s; %s knows already that %s is the disk: say it once more"
            .formatted(cause.getMessage(), forced.other(leg), leg),
        cause);
  }

  /** A leg may have a newer record, of who had it before this generation. */
  private void learn(String leg) {
    try {
      Authority.Known known = legs.get(leg).ask(user);
      known
          .record()
          .filter(found -> known.generation() <= generation)
          .filter(found -> found.mirror().equals(asked.mirror()) && found.epoch() > asked.epoch())
          .ifPresent(found -> asked = found);
    } catch (DeviceException e) {
      log.info("{}: {}", user, e.getMessage());
    }
  }

  private void put(MirrorRecord next, ImmutableList<String> told) throws DeviceException {
    boolean isSomewhere = !asked.equals(record) && asked.equals(next);
    try {
      if (!next.isWhole()) {
        checkReachable(told);
        noteHere(next);
        asked = next;
        isSomewhere = true;
      }
      for (String leg : told) {
        tell(leg, next);
        asked = next;
        isSomewhere = true;
      }
      if (next.isWhole()) {
        noteHere(next);
      }
      tellWitness(next);
    } catch (Authority.UntoldException e) {
      asked = next;
      throw e;
    } catch (DeviceException e) {
      throw isSomewhere ? new Authority.UntoldException(e.getMessage(), e) : e;
    }
    record = next;
  }

  /** One that cannot be told just now leaves no trace here: the other leg may be back first. */
  private void checkReachable(ImmutableList<String> told) throws DeviceException {
    for (String leg : told) {
      Authority.Known known = legs.get(leg).ask(user);
      if (known.generation() > generation) {
        throw new DeviceException(
            "%s is used with generation %d, and not with %d"
                .formatted(leg, known.generation(), generation));
      }
    }
  }

  /** It may miss that both are up to date: then it agrees with neither of them alone. */
  private void tellWitness(MirrorRecord next) throws DeviceException {
    try {
      if (witness.isPresent()) {
        witness.get().tell(user, generation, Optional.of(next));
      }
    } catch (DeviceException e) {
      if (!next.isWhole()) {
        throw e;
      }
      log.warn("{}: {}", user, e.getMessage());
    }
  }

  private void tell(String leg, MirrorRecord what) throws DeviceException {
    legs.get(leg).tell(user, generation, Optional.of(what));
  }

  /**
   * Whether a leg has a record of this mirror.
   *
   * @throws DeviceException when it cannot be asked
   */
  boolean isLeg(String leg) throws DeviceException {
    return legs.get(leg)
        .ask(user)
        .record()
        .filter(found -> found.mirror().equals(record.mirror()))
        .isPresent();
  }

  /** One that is not a member hears so before it gets anything. */
  CompletableFuture<Void> tellBehind(String leg) {
    return inTurn(
        () -> {
          if (record.isMember(leg)) {
            throw new DeviceException("%s: %s, and is not behind".formatted(leg, record));
          }
          tell(leg, record);
        });
  }

  private void noteHere(MirrorRecord what) throws DeviceException {
    awaitHere(ledger.put(user, generation, Optional.of(what)));
  }

  private static void awaitHere(CompletableFuture<Optional<String>> kept) throws DeviceException {
    Optional<String> why;
    try {
      why = kept.get();
    } catch (ExecutionException e) {
      String words = "this host: " + e.getCause().getMessage();
      throw e.getCause() instanceof UncertainFileException
          ? new Authority.UntoldException(words, e.getCause())
          : new DeviceException(words, e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new Authority.UntoldException("this host: interrupted while it was told", e);
    }
    if (why.isPresent()) {
      throw new DeviceException("this host: " + why.get());
    }
  }

  /**
   * The guest goes on here with another generation, after another host was about to have it: what
   * that has recorded is over.
   */
  void goOnHere() {
    var unused =
        inTurn(
                () -> {
                  for (String leg : record.members()) {
                    learn(leg);
                  }
                  if (asked.equals(record)) {
                    noteHere(record);
                  } else {
                    put(asked.next(generation, record.members()), record.members());
                  }
                })
            .whenComplete(
                (done, failure) -> {
                  if (failure != null) {
                    log.warn(
                        "{}: a start with one leg alone may be refused, or compare: {}",
                        user,
                        failure.getMessage());
                  }
                });
  }

  /**
   * Looks whether a record of one leg can be made now: once that is begun nothing is answered until
   * it is.
   */
  void checkCanGoOn(String leg) throws DeviceException {
    var unusedLeg = legs.get(leg).ask(user);
    if (witness.isPresent()) {
      var unusedWitness = witness.get().ask(user);
    }
  }

  /**
   * A leg is a disk by itself from now on. What others know of the mirror stays: who names both
   * once more is told that only this one is up to date. Nothing where it is somebody's with a newer
   * generation.
   */
  CompletableFuture<Void> forgetAt(String leg) {
    return inTurn(
        () -> {
          if (legs.get(leg).ask(user).generation() > generation) {
            log.info("{}: {} is used with a newer generation", user, leg);
          } else {
            legs.get(leg).tell(user, generation, Optional.empty());
          }
        });
  }

  /**
   * There is no mirror after all: its only member may be a disk by itself. This host knows what it
   * knew before: the user's disk may have two legs already, and be about to leave them.
   *
   * @return completes exceptionally, and that is logged, when one that may know of it cannot be
   *     told
   */
  CompletableFuture<Void> forget() {
    return inTurn(
            () -> {
              legs.get(record.members().get(0)).tell(user, generation, Optional.empty());
              awaitHere(ledger.forget(user, record.mirror(), before));
            })
        .whenComplete(
            (done, failure) -> {
              if (failure != null) {
                log.warn("{}: {}", user, failure.getMessage());
              }
            });
  }

  /** The guest has ended, and both legs are alike: the next start need not compare them. */
  void recordClosed(long seconds) {
    try {
      inTurn(
              () -> {
                if (asked.equals(record)) { // else somebody may have a newer one
                  put(record.nextClosed(generation), record.members());
                }
              })
          .get(seconds, TimeUnit.SECONDS);
    } catch (ExecutionException | TimeoutException e) {
      log.info("{}: the next start compares its legs: {}", user, e.toString());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
