package io.netchannel.coordinator;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;

/**
 * Things that go on at the same time, one for each disk of a guest: they are waited for within one
 * bound, not one bound each, and no longer than until the first of them has failed.
 */
public final class SideBySide {
  private final Map<String, CompletableFuture<?>> parts = new LinkedHashMap<>();

  /**
   * One more.
   *
   * @param what begins the message when it fails: "taking over xvdb"
   */
  public void add(String what, CompletableFuture<?> part) {
    parts.put(what, part);
  }

  /** Whether all are done, well or not. */
  boolean isDone() {
    return parts.values().stream().allMatch(CompletableFuture::isDone);
  }

  /**
   * Waits until all are done.
   *
   * @throws MigrationRefusedException as soon as one has failed; or those that are not done when
   *     the bound passes
   */
  public void await(Duration bound) throws MigrationRefusedException {
    CompletableFuture<Void> end = new CompletableFuture<>();
    parts.forEach((what, part) -> failsWith(end, what, part));
    CompletableFuture<Void> unused =
        CompletableFuture.allOf(parts.values().toArray(CompletableFuture[]::new))
            .thenRun(() -> end.complete(null));
    try {
      end.get(Math.max(1, bound.toMillis()), TimeUnit.MILLISECONDS);
    } catch (ExecutionException e) {
      throw new MigrationRefusedException(e.getCause().getMessage(), e.getCause());
    } catch (TimeoutException e) {
      throw new MigrationRefusedException(
          "%s: not done within %s; does its storage answer?".formatted(unfinished(), words(bound)),
          e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new MigrationRefusedException(unfinished() + ": the daemon is shutting down", e);
    }
  }

  private static void failsWith(
      CompletableFuture<Void> end, String what, CompletableFuture<?> part) {
    var unused =
        part.whenComplete(
            (done, failure) -> {
              if (failure != null) {
                end.completeExceptionally(
                    new MigrationRefusedException(
                        what + ": " + Deadline.words(cause(failure)), asException(failure)));
              }
            });
  }

  /** What failed, without the wrapping of the futures it passed through. */
  static Throwable cause(Throwable failure) {
    boolean wrapped =
        failure instanceof CompletionException || failure instanceof ExecutionException;
    return wrapped && failure.getCause() != null ? cause(failure.getCause()) : failure;
  }

  private static Exception asException(Throwable failure) {
    Throwable cause = cause(failure);
    return cause instanceof Exception exception ? exception : new ExecutionException(cause);
  }

  private String unfinished() {
    return parts.entrySet().stream()
        .filter(part -> !part.getValue().isDone())
        .map(Map.Entry::getKey)
        .collect(Collectors.joining(", "));
  }

  private static String words(Duration bound) {
    // Rounded: of a bound some microseconds have passed already.
    return bound.toMillis() < 950
        ? bound.toMillis() + " ms"
        : bound.plusMillis(500).toSeconds() + " s";
  }
}
