package io.netchannel.daemon;

import com.google.common.collect.ImmutableList;
import io.netchannel.libvirt.DomainMetadata;
import io.netchannel.libvirt.DomainMetadata.Definition;
import io.netchannel.libvirt.MetadataException;
import io.netchannel.libvirt.OtherSourceException;
import io.netchannel.time.Backoff;
import java.time.Duration;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes both definitions of a domain name the source that a disk of it was switched to. The guest
 * has its disk already, and libvirt may be away, or busy with the domain, for as long as it likes:
 * each definition is asked for until it is known to be right.
 *
 * <pre>
 *   a definition:
 *            +--libvirt cannot be asked, the reason is said--+
 *            v                                               |
 *          WAITS --asked--+--------------------------------->+
 *                         +--changed, or right already--> WRITTEN
 *                         +--not there, or does not name the disk--> NONE
 *                         +--names a third source: left as it is--> OTHER
 *
 *   the writer, while a definition is to be asked:
 *
 *   RESTS --begin, anew--> DUE --on a thread of the timer's--> ASKING --no definition waits--> RESTS
 *                           ^ |                                  |
 *                           | +--again, anew: at once            |
 *                           +--one waits: 1 s, 2 s, 4 s ... 30 s-+
 *                           +--told again meanwhile: at once-----+
 *
 *   close: from all of them; what is being asked then is not told any more
 * </pre>
 *
 * Nothing here calls libvirt on its caller's thread: that may be a hook's, for which libvirtd
 * waits.
 */
final class MetadataWriter implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(MetadataWriter.class);

  /** libvirtd is back about a second after a restart. */
  private static final Duration FIRST_DELAY = Duration.ofSeconds(1);

  /** Of a migration, libvirt keeps the domain for as long as it takes; a look costs a process. */
  private static final Duration LONGEST_DELAY = Duration.ofSeconds(30);

  /** What a start would read comes first: with a domain that ends meanwhile that is all. */
  private static final ImmutableList<Definition> ORDER =
      ImmutableList.of(Definition.CONFIG, Definition.LIVE);

  /** Where a domain's definitions are. */
  @FunctionalInterface
  interface Definitions {
    /** Of the local libvirt. */
    static Definitions of(UUID domain) {
      return (definition, target, oldSource, newSource) ->
          new DomainMetadata(domain.toString(), definition)
              .changeSource(target, oldSource, newSource);
    }

    /** As {@link DomainMetadata#changeSource}; may block. */
    boolean changeSource(Definition definition, String target, String oldSource, String newSource)
        throws MetadataException;
  }

  /** How far a definition is. */
  enum State {
    /** It does not name the disk, or there is no such definition. */
    NONE,
    /** It is not right yet, and is asked for again. */
    WAITS,
    /** It names the new source. */
    WRITTEN,
    /** It names a third one, which somebody has written there since. */
    OTHER
  }

  /**
   * What is known of a definition.
   *
   * @param reason why it waits, or what it names instead; empty when all is well
   */
  record Outcome(State state, Optional<String> reason) {}

  /** What is known of both. */
  record Status(Outcome live, Outcome config) {
    /** What is wrong, in words. */
    Optional<String> problem() {
      String words =
          Stream.of(
                  live.reason().map(reason -> "live: " + reason),
                  config.reason().map(reason -> "config: " + reason))
              .flatMap(Optional::stream)
              .collect(Collectors.joining("; "));
      return words.isEmpty() ? Optional.empty() : Optional.of(words);
    }

    /** Whether nothing is asked for any more by itself. */
    boolean settled() {
      return live.state() != State.WAITS && config.state() != State.WAITS;
    }
  }

  private final Definitions definitions;
  private final Timer timer;
  private final String target;
  private final String oldSource;
  private final String newSource;
  private final Runnable changed;
  private final Object lock = new Object();

  // Guarded by lock, as all below.
  private final Map<Definition, Outcome> outcomes = new EnumMap<>(Definition.class);

  /** Not asked yet, or to be asked again; but for what is being asked. */
  private final EnumSet<Definition> open = EnumSet.noneOf(Definition.class);

  private final Backoff backoff = new Backoff(FIRST_DELAY, LONGEST_DELAY);

  /** Number of the attempt that is due; the timer still has those before it. */
  private long due;

  private boolean asking;
  private boolean toldMeanwhile;
  private boolean closed;

  /**
   * A writer that rests.
   *
   * @param definitions of the disk's domain
   * @param target of the disk
   * @param changed called when the state of a definition has changed, on the thread that has asked,
   *     one call after the other
   */
  MetadataWriter(
      Definitions definitions,
      Timer timer,
      String target,
      String oldSource,
      String newSource,
      Runnable changed) {
    this.definitions = definitions;
    this.timer = timer;
    this.target = target;
    this.oldSource = oldSource;
    this.newSource = newSource;
    this.changed = changed;
    for (Definition each : ORDER) {
      outcomes.put(each, new Outcome(State.WAITS, Optional.of("not asked for yet")));
    }
  }

  /** The switch is on record. Idempotent. */
  void begin() {
    synchronized (lock) {
      if (due > 0) {
        return;
      }
    }
    anew();
  }

  boolean isTo(String source) {
    return newSource.equals(source);
  }

  /** libvirt is back: what waits is asked for at once. */
  void again() {
    synchronized (lock) {
      if (open.isEmpty() && !asking) {
        return;
      }
    }
    attemptNow();
  }

  /** Both are asked for at once, also what was right: an old XML may have come back. */
  void anew() {
    synchronized (lock) {
      open.addAll(ORDER);
    }
    attemptNow();
  }

  Status status() {
    synchronized (lock) {
      return new Status(outcomes.get(Definition.LIVE), outcomes.get(Definition.CONFIG));
    }
  }

  /** Nothing is asked any more. */
  @Override
  public void close() {
    synchronized (lock) {
      closed = true;
      open.clear();
    }
  }

  private void attemptNow() {
    long number;
    synchronized (lock) {
      backoff.reset();
      if (asking) {
        toldMeanwhile = true;
        return;
      }
      number = ++due;
    }
    timer.after(Duration.ZERO, () -> attempt(number));
  }

  private void attempt(long number) {
    List<Definition> now;
    synchronized (lock) {
      if (closed || number != due) {
        return;
      }
      asking = true;
      toldMeanwhile = false;
      now = ORDER.stream().filter(open::contains).toList();
      open.clear();
    }
    now.forEach(definition -> learnt(definition, ask(definition)));
    Duration delay;
    long next;
    synchronized (lock) {
      asking = false;
      if (open.isEmpty()) {
        return;
      }
      delay = toldMeanwhile ? Duration.ZERO : backoff.next();
      next = ++due;
    }
    timer.after(delay, () -> attempt(next));
  }

  private Outcome ask(Definition definition) {
    try {
      boolean written = definitions.changeSource(definition, target, oldSource, newSource);
      return new Outcome(written ? State.WRITTEN : State.NONE, Optional.empty());
    } catch (OtherSourceException e) {
      return new Outcome(State.OTHER, Optional.of(e.getMessage()));
    } catch (MetadataException e) {
      return new Outcome(State.WAITS, Optional.of(e.getMessage()));
    } catch (RuntimeException | Error e) {
      log.error("{}: the {} XML was not asked for", target, definition.word(), e);
      return new Outcome(State.WAITS, Optional.of("the daemon failed: " + e));
    }
  }

  private void learnt(Definition definition, Outcome outcome) {
    State before;
    synchronized (lock) {
      if (closed) {
        return;
      }
      before = outcomes.put(definition, outcome).state();
      if (outcome.state() == State.WAITS) {
        open.add(definition);
      }
    }
    log.info(
        "{} to {}: the {} XML is {} {}",
        target,
        newSource,
        definition.word(),
        outcome.state(),
        outcome.reason().orElse(""));
    if (outcome.state() != before) {
      try {
        changed.run();
      } catch (RuntimeException | Error e) {
        log.error("{}: nobody was told of the {} XML", target, definition.word(), e);
      }
    }
  }
}
