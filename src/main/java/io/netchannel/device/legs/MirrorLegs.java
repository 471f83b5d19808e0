package io.netchannel.device.legs;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.legs.MirrorStart.LegAnswer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;

/** The two legs of a disk before it is open: both are asked side by side. */
final class MirrorLegs {
  /**
   * What came of opening one.
   *
   * @param device empty when it is away
   * @param storage as {@link Mirrors.Environment#storage}
   */
  record Opened(LegAnswer answer, Optional<Device> device, Optional<UUID> storage) {
    static Opened away(LegAnswer answer) {
      return new Opened(answer, Optional.empty(), Optional.empty());
    }
  }

  /** Something that may wait for another host. */
  @FunctionalInterface
  private interface Question<T> {
    T ask() throws DeviceException;
  }

  /** Shorter than any hook may take; a leg that is there answers in milliseconds. */
  private static final Duration SECOND_BOUND = Duration.ofSeconds(3);

  private final Mirrors.Environment environment;
  private final ImmutableList<String> sources;

  MirrorLegs(Mirrors.Environment environment, ImmutableList<String> sources) {
    this.environment = environment;
    this.sources = sources;
  }

  ImmutableList<String> sources() {
    return sources;
  }

  /** As those say that are there. */
  long newestGeneration(String user) throws DeviceException {
    List<Long> found =
        answered(
            source -> environment.authorities().of(source).ask(user).generation(), SECOND_BOUND);
    return found.stream().mapToLong(Long::longValue).max().orElseThrow();
  }

  /** The one that is there first, for a look: it holds nothing that would have to be closed. */
  Device probe(OpenOptions options) throws DeviceException {
    return answered(source -> environment.devices().get().open(source, options), Duration.ZERO)
        .get(0);
  }

  @FunctionalInterface
  private interface OfLeg<T> {
    T ask(String source) throws DeviceException;
  }

  /**
   * The answers of those that are there; throws when none is.
   *
   * @param bound of the wait for the second, once one has answered
   */
  private <T> List<T> answered(OfLeg<T> question, Duration bound) throws DeviceException {
    List<CompletableFuture<T>> asked =
        sources.stream().map(source -> begin(() -> question.ask(source))).toList();
    CompletableFuture<Void> all =
        CompletableFuture.allOf(asked.toArray(CompletableFuture[]::new))
            .exceptionally(failure -> null);
    CompletableFuture<Void> one = new CompletableFuture<>();
    for (CompletableFuture<T> each : asked) {
      var unused = each.thenAccept(found -> one.complete(null));
    }
    CompletableFuture.anyOf(all, one).join();
    all.completeOnTimeout(null, bound.toMillis(), TimeUnit.MILLISECONDS).join();
    List<T> found = new ArrayList<>();
    List<String> problems = new ArrayList<>();
    for (CompletableFuture<T> each : asked) {
      if (each.isCompletedExceptionally()) {
        problems.add(each.handle((none, why) -> why.getCause().getMessage()).join());
      } else if (each.isDone()) {
        found.add(each.join());
      }
    }
    if (found.isEmpty()) {
      throw new DeviceException(String.join("; ", problems));
    }
    return found;
  }

  private <T> CompletableFuture<T> begin(Question<T> question) {
    return CompletableFuture.supplyAsync(
        () -> {
          try {
            return question.ask();
          } catch (DeviceException e) {
            throw new CompletionException(e);
          }
        },
        environment.executor());
  }

  /** What one knows, which changes nothing there. */
  CompletableFuture<LegAnswer> ask(String source, String user) {
    return begin(
            () -> {
              Authority.Known known = environment.authorities().of(source).ask(user);
              return new LegAnswer(source, known.generation(), known.record(), Optional.empty());
            })
        .exceptionally(failure -> LegAnswer.away(source, failure.getCause().getMessage()));
  }

  /** Attaches to one, and asks it after that: nobody with an older generation changes it then. */
  CompletableFuture<Opened> open(LegAnswer before, OpenOptions options) {
    return begin(() -> opened(before, options))
        .exceptionally(
            failure ->
                Opened.away(LegAnswer.away(before.leg(), failure.getCause().getMessage())));
  }

  private Opened opened(LegAnswer before, OpenOptions options) throws DeviceException {
    String source = before.leg();
    Authority authority = environment.authorities().of(source);
    Device device = environment.devices().get().open(source, options.asLeg());
    try {
      CompletableFuture<Optional<UUID>> storage = begin(() -> environment.storage(source));
      Optional<MirrorRecord> record = authority.ask(options.user().orElseThrow().name()).record();
      MirrorKeepers.await(storage.thenAccept(known -> {}));
      return new Opened(
          new LegAnswer(source, before.generationBefore(), record, Optional.empty()),
          Optional.of(device),
          storage.join());
    } catch (DeviceException | RuntimeException e) {
      device.keepPlace();
      device.close();
      throw e;
    }
  }

  /** Who keeps their record. */
  MirrorKeepers keepers(String user, long generation, MirrorRecord record) throws DeviceException {
    ImmutableMap.Builder<String, Authority> authorities = ImmutableMap.builder();
    for (String source : sources) {
      authorities.put(source, environment.authorities().of(source));
    }
    return new MirrorKeepers(
        user,
        generation,
        authorities.buildOrThrow(),
        environment.ledger(),
        environment.witness(),
        environment.executor(),
        record);
  }
}
