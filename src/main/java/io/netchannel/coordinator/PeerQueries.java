package io.netchannel.coordinator;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import io.netchannel.coordinator.PeerMessages.ServedDomain;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;

/** Questions to all peers at once. */
final class PeerQueries {

  /** Who serves it, by peer; and who did not answer, with the reason. */
  record Answers(ImmutableMap<String, ServedDomain> serving, ImmutableMap<String, String> silent) {

    /** "hostb (connection refused)". */
    String silentInWords() {
      return silent.entrySet().stream()
          .map(e -> e.getKey() + " (" + e.getValue() + ")")
          .collect(Collectors.joining(", "));
    }
  }

  @FunctionalInterface
  private interface Question {
    List<ServedDomain> ask(Peer peer) throws PeerException;
  }

  private record Answer(List<ServedDomain> domains, String failure) {}

  private final Context context;

  PeerQueries(Context context) {
    this.context = context;
  }

  /** Which peers serve a domain of that name. */
  Answers whoServes(String domainName) {
    return askAll(peer -> peer.describe(domainName, context.timeouts().prepare()));
  }

  /** Which peers serve this very domain. */
  Answers whoServes(UUID domain) {
    return askAll(
        peer ->
            peer.describe(domain, context.timeouts().prepare()).stream()
                .collect(ImmutableList.toImmutableList()));
  }

  private Answers askAll(Question question) {
    Map<String, CompletableFuture<Answer>> asked = new TreeMap<>();
    for (Peer peer : context.peers().values()) {
      asked.put(
          peer.name(),
          CompletableFuture.supplyAsync(() -> ask(question, peer), context.executor()));
    }
    ImmutableMap.Builder<String, ServedDomain> serving = ImmutableMap.builder();
    ImmutableMap.Builder<String, String> silent = ImmutableMap.builder();
    asked.forEach(
        (peer, future) -> {
          // Each call is bounded by itself.
          Answer answer = future.join();
          if (!answer.failure.isEmpty()) {
            silent.put(peer, answer.failure);
          }
          answer.domains.forEach(domain -> serving.put(peer, domain));
        });
    return new Answers(serving.buildKeepingLast(), silent.buildOrThrow());
  }

  private static Answer ask(Question question, Peer peer) {
    try {
      return new Answer(question.ask(peer), "");
    } catch (PeerException e) {
      return new Answer(List.of(), Deadline.words(e));
    }
  }
}
