package io.netchannel.coordinator;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.Maps;
import io.netchannel.coordinator.Announcements.Announced;
import io.netchannel.coordinator.PeerMessages.ServedDomain;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Which domains may come to this host, and by which migration: hooks "migrate" and "start".
 *
 * <pre>
 *   hook migrate: who has a domain of this name?
 *     one peer -------------------------------------------> PREPARE with it
 *     two with Netchannel disks --------------------------> refused
 *     several, or none: remembered until
 *   hook start: now its UUID and its disks are known
 *     a remembered candidate has that UUID ---------------> PREPARE with it
 *     nobody, Netchannel disks ---------------------------> refused
 *     nobody, stock disks, a peer could not be asked -----> refused, unless [stock-disks] "ignore"
 *     nobody, stock disks --------------------------------> goes on, with a warning
 *     nobody, no disk at all, or not announced -----------> none of ours, or a plain start
 * </pre>
 */
final class Admission {
  private static final Logger log = LoggerFactory.getLogger(Admission.class);

  private final Context context;
  private final MigrationStore store;
  private final Incoming incoming;
  private final Outgoing outgoing;
  private final PeerQueries queries;
  private final Announcements announcements;

  Admission(Context context, Incoming incoming, Outgoing outgoing) {
    this.context = context;
    this.store = context.store();
    this.incoming = incoming;
    this.outgoing = outgoing;
    this.queries = new PeerQueries(context);
    this.announcements = new Announcements(context.nanoTime());
  }

  void tick() {
    announcements.tick();
  }

  /** PREPARE, when it is clear with whom. */
  void announced(String domainName) throws MigrationRefusedException {
    announcements.forget(domainName);
    PeerQueries.Answers answers = queries.whoServes(domainName);
    ImmutableMap<String, ServedDomain> ours = withOurDisks(answers);
    if (ours.size() > 1) {
      throw new MigrationRefusedException(
          "expected one peer of "
              + context.host()
              + " to serve "
              + domainName
              + ", found "
              + String.join(" and ", ours.keySet())
              + ": their domains have the same name; rename one");
    }
    ImmutableMap<String, ServedDomain> candidates =
        context.stockDisks() == StockDiskPolicy.IGNORE ? ours : answers.serving();
    announcements.put(domainName, candidates, answers.silentInWords());
    if (candidates.size() == 1) {
      prepare(candidates.entrySet().iterator().next());
    }
  }

  private void prepare(Map.Entry<String, ServedDomain> candidate) throws MigrationRefusedException {
    UUID domain = candidate.getValue().domain();
    if (!context.devices().domainExists(domain)) {
      outgoing.comesAgain(domain);
    }
    incoming.prepare(candidate.getKey(), candidate.getValue());
  }

  /** Whether the domain that is about to be made comes by a migration of ours. */
  boolean starts(String domainName, UUID domain, boolean hasDisks, boolean hasStockDisks)
      throws MigrationRefusedException {
    Announced announced = announcements.take(domainName).orElse(null);
    Migration known = store.active(Direction.INCOMING, domain).orElse(null);
    if (known != null && isFollowedUp(known, announced) && incoming.isExpected(known)) {
      return true;
    }
    if (!hasDisks && !hasStockDisks) {
      return false;
    }
    if (announced == null) {
      if (hasDisks) {
        checkPlainStart(domainName, domain);
      }
      return false;
    }
    List<Map.Entry<String, ServedDomain>> meant =
        announced.candidates().entrySet().stream()
            .filter(candidate -> candidate.getValue().domain().equals(domain))
            .toList();
    if (meant.isEmpty()) {
      announced
          .candidates()
          .values()
          .forEach(other -> incoming.neverComes(other.domain(), "another domain was meant"));
      return startsUnserved(domainName, announced.silent(), hasDisks);
    }
    if (announced.candidates().size() > 1 && meant.size() == 1) {
      prepare(meant.get(0));
      return incoming.isExpected(
          store
              .active(Direction.INCOMING, domain)
              .orElseThrow(() -> new IllegalStateException("prepared and gone: " + domain)));
    }
    if (meant.size() > 1) {
      throw new MigrationRefusedException(
          meant.stream().map(Map.Entry::getKey).toList()
              + " all have domain "
              + domain
              + " running: it cannot be known which of them it comes from; shut all but one down");
    }
    // It was prepared and is not expected any more.
    if (hasDisks) {
      checkPlainStart(domainName, domain);
    }
    throw new MigrationRefusedException(
        domainName
            + " is not expected any more: "
            + incoming.newest(domain).map(Migration::detail).orElse("")
            + "; migrate it again");
  }

  /** A registration that nobody came for must not make a plain start of a stock guest wait. */
  private boolean isFollowedUp(Migration known, Announced announced) {
    boolean old = store.age(known).compareTo(Announcements.KEPT) > 0;
    if (known.devices().isEmpty() && announced == null && old) {
      context.executor().execute(() -> incoming.neverComes(known.domain(), "started plainly"));
      return false;
    }
    return switch (known.phase()) {
      case PRECOPY, SEAL, HAND_OVER -> true;
      case PREPARE, TAKE_OVER, REDIRECT, RESUME, COMMIT, ABORT -> false;
    };
  }

  private boolean startsUnserved(String domainName, String silent, boolean hasDisks)
      throws MigrationRefusedException {
    if (hasDisks) {
      throw new MigrationRefusedException(
          silent.isEmpty()
              ? domainName
                  + " has Netchannel devices, and no peer of "
                  + context.host()
                  + " serves them: is the source configured as a [[peer]] here, and does its"
                  + " netchanneld serve the domain?"
              : domainName
                  + " has Netchannel devices, and these peers of "
                  + context.host()
                  + " could not be asked whether they serve them: "
                  + silent
                  + "; start netchanneld there and migrate again");
    }
    if (context.stockDisks() == StockDiskPolicy.IGNORE) {
      return false;
    }
    if (!silent.isEmpty()) {
      throw new MigrationRefusedException(
          domainName
              + " has disks that its source may still write after it has moved, and these peers of "
              + context.host()
              + " could not be asked to wait for that: "
              + silent
              + "; start netchanneld there and migrate again, or set [stock-disks] unanswered ="
              + " \"ignore\" on "
              + context.host()
              + " to let such guests in unguarded");
    }
    log.warn(
        "{} comes from a host without Netchannel: nobody sees to it that its storage there has"
            + " finished writing before it runs on {}",
        domainName,
        context.host());
    return false;
  }

  /** A domain that another host serves would have two writers. */
  private void checkPlainStart(String domainName, UUID domain) throws MigrationRefusedException {
    outgoing.comesAgain(domain);
    incoming.comesAgain(domain);
    PeerQueries.Answers answers = queries.whoServes(domain);
    ImmutableMap<String, ServedDomain> ours = withOurDisks(answers);
    if (!ours.isEmpty()) {
      throw new MigrationRefusedException(
          String.join(" and ", ours.keySet())
              + " serves the disks of "
              + domainName
              + " right now: it must not start on "
              + context.host()
              + " as well; shut it down there, or migrate it");
    }
    if (!answers.silent().isEmpty()) {
      log.warn(
          "{} starts, and these peers could not be asked whether they serve it: {}",
          domainName,
          answers.silentInWords());
    }
  }

  private static ImmutableMap<String, ServedDomain> withOurDisks(PeerQueries.Answers answers) {
    return ImmutableMap.copyOf(
        Maps.filterValues(answers.serving(), served -> !served.devices().isEmpty()));
  }
}
