package io.netchannel.device.legs;

import com.google.common.collect.HashMultiset;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.Multiset;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceKind;
import io.netchannel.device.Devices;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.Storage;
import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.mirror.MirrorStatus;
import io.netchannel.net.MirrorSource;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Disks with two legs: {@code mirror:LEG,LEG}, where each leg is the source of an export, as {@code
 * netchannel://hosta/web1}. The states of one are in the package's description.
 */
public final class Mirrors implements DeviceKind {
  public static final String SCHEME = MirrorSource.SCHEME;

  private static final Logger log = LoggerFactory.getLogger(Mirrors.class);

  /** The authority of a leg, by its source. */
  @FunctionalInterface
  public interface Authorities {
    Authority of(String source) throws DeviceException;
  }

  /** Runs something once, later, on a thread that must not be kept waiting. */
  @FunctionalInterface
  public interface Later {
    void run(Duration delay, Runnable action);
  }

  /**
   * What all of a host use.
   *
   * @param devices opens legs
   * @param witness the third that is told of each leg that goes on alone
   * @param ledger what this host knows, where its guests run
   * @param maps directory, on tmpfs, of the maps of what differs
   * @param executor runs what may wait for another host: each on a thread of its own
   * @param ids names of new mirrors
   * @param legTimeout how long a leg may keep a request before it counts as failed
   * @param isNear whether a leg is an export of this host
   */
  public record Environment(
      Supplier<? extends Devices> devices,
      Authorities authorities,
      Optional<Authority> witness,
      MirrorLedger ledger,
      Path maps,
      BufferBudget buffers,
      Executor executor,
      Later later,
      LongSupplier nanoTime,
      Supplier<UUID> ids,
      Duration legTimeout,
      Predicate<String> isNear) {
    /** Which storage a leg has, as {@link Storage#incarnation}; waits for its server. */
    Optional<UUID> storage(String leg) throws DeviceException {
      return devices.get().storage(leg).incarnation();
    }

    /** What this host knows of a disk. */
    Optional<MirrorLedger.Entry> knownHere(String user) throws DeviceException {
      try {
        return ledger.get(user);
      } catch (IOException e) {
        throw new DeviceException("this host: " + e.getMessage(), e);
      }
    }
  }

  /**
   * A look at a disk.
   *
   * @param user as its legs know it: UUID/TARGET
   */
  public record Status(
      String user, MirrorRecord record, MirrorStatus mirror, ImmutableList<LegStatus> legs) {}

  /**
   * A look at a leg.
   *
   * @param member whether it is up to date
   * @param problem why it is not used, or its requests wait; empty when all is well
   */
  public record LegStatus(String source, boolean member, Optional<String> problem) {}

  private final Environment environment;
  private final MirrorMaps maps;
  private final LegReleases releases;
  private final Set<MirroredDisk> open = ConcurrentHashMap.newKeySet();
  private final Turns turns;

  public Mirrors(Environment environment) {
    this.environment = environment;
    maps = new MirrorMaps(environment.maps());
    releases = new LegReleases(environment);
    turns = new Turns(environment.nanoTime());
  }

  /** Legs that their servers keep for guests that have ended, each with why; for people. */
  public ImmutableList<String> held() {
    return releases.problems();
  }

  /** Of what all disks here have for the second copies of data. */
  public BufferBudget.Use memory() {
    return environment.buffers().use();
  }

  /** Of the disks that are open here. */
  public ImmutableList<Status> all() {
    return open.stream().map(Mirrors::status).collect(ImmutableList.toImmutableList());
  }

  private static Status status(MirroredDisk disk) {
    MirrorRecord record = disk.record();
    return new Status(
        disk.user(),
        record,
        disk.status(),
        record.legs().stream()
            .flatMap(source -> disk.legs().stream().filter(leg -> leg.source().equals(source)))
            .map(leg -> new LegStatus(leg.source(), record.isMember(leg.source()), leg.problem()))
            .collect(ImmutableList.toImmutableList()));
  }

  // ---- The kind of device

  /** Both legs of a source without its scheme. */
  static ImmutableList<String> legs(String text) throws DeviceException {
    ImmutableList<String> legs = MirrorSource.legs(SCHEME + ":" + text);
    boolean fits =
        legs.size() == 2
            && !legs.get(0).equals(legs.get(1))
            && legs.stream().allMatch(leg -> leg.startsWith(MirrorSource.LEG_SCHEME));
    if (!fits) {
      throw new DeviceException(
          "%s:%s: expected two exports on two hosts, as %s:netchannel://hosta/NAME,netchannel://hostb/NAME"
              .formatted(SCHEME, text, SCHEME));
    }
    return legs;
  }

  /** The legs of a disk with two, else its source. */
  public static ImmutableList<String> parts(String source) {
    return MirrorSource.is(source) ? MirrorSource.legs(source) : ImmutableList.of(source);
  }

  /** The source of a disk with these legs. */
  public static String source(List<String> legs) {
    return MirrorSource.of(legs);
  }

  @Override
  public void check(String text) throws DeviceException {
    for (String leg : legs(text)) {
      var unused = environment.authorities().of(leg);
    }
  }

  @Override
  public long newestGeneration(String text, String user, boolean readOnly) throws DeviceException {
    return new MirrorLegs(environment, legs(text)).newestGeneration(user);
  }

  @Override
  public Device open(String text, OpenOptions options) throws DeviceException {
    MirrorLegs legs = new MirrorLegs(environment, legs(text));
    if (options.probe()) {
      return legs.probe(options);
    }
    if (options.readOnly() || options.user().isEmpty()) {
      throw new DeviceException(
          "%s:%s is for a disk of a guest that writes to it; else name one of its legs"
              .formatted(SCHEME, text));
    }
    OpenOptions.User user = options.user().get();
    turns.open(user.name());
    try {
      return opened(user, legs, opening(legs, options)::open);
    } finally {
      turns.opened(user.name());
    }
  }

  @FunctionalInterface
  private interface Opening {
    MirroredDisk open() throws DeviceException;
  }

  /** It may have been open with the same generation before, and its legs may be held of that. */
  private MirroredDisk opened(OpenOptions.User user, MirrorLegs legs, Opening opening)
      throws DeviceException {
    Runnable holdAgain = releases.withdraw(user, legs.sources());
    try {
      MirroredDisk disk = opening.open();
      open.add(disk);
      return disk;
    } catch (DeviceException | RuntimeException e) {
      holdAgain.run();
      throw e;
    }
  }

  /** One to whose only leg another one was added. */
  public interface Added extends TwoLegs {
    /** All that the first leg was given by others has ended: the second becomes a copy of it. */
    void begin();

    /** It comes to nothing: nobody has used it. The first leg goes on alone, and stays open. */
    void drop();
  }

  /** A disk with two legs, for who serves it. */
  public interface TwoLegs extends Device {
    /**
     * Begins to go on with one leg. Said again, it is the same.
     *
     * @param leg the one that goes; empty for the one that is not up to date
     * @return completes when the other one alone is up to date, as is recorded, and nothing is at
     *     this one; exceptionally when the other one has failed meanwhile
     * @throws DeviceException when the disk would be out of date, or a leg cannot be given up now:
     *     nothing has changed
     */
    CompletableFuture<Remaining> drop(Optional<String> leg) throws DeviceException;
  }

  /** What a disk with two legs is without one of them. */
  public interface Remaining {
    /** The leg that is the disk. */
    String source();

    String dropped();

    /** For who puts it in the place of both. */
    Device device();

    /** It is in the place of both, and all that was asked of these has ended. */
    void unused();

    /** No XML names both any more: its authority lets it start the guest alone. Maybe twice. */
    void named();
  }

  @Override
  public Device openAround(String text, Device present, OpenOptions options)
      throws DeviceException {
    MirrorLegs legs = new MirrorLegs(environment, legs(text));
    return opened(options.user().orElseThrow(), legs, () -> opening(legs, options).around(present));
  }

  private MirrorOpening opening(MirrorLegs legs, OpenOptions options) {
    return new MirrorOpening(environment, maps, releases, legs, options, open::remove);
  }

  /** Each leg for itself, without a mirror: which of them is up to date stays as it is. */
  @Override
  public void giveFree(String text, OpenOptions options) throws DeviceException {
    OpenOptions.User user = options.user().orElseThrow();
    maps.removeLeft(user.name());
    for (String leg : legs(text)) {
      releases.release(user.name(), user.generation(), leg);
    }
  }

  // ---- A person's word

  /**
   * One leg is the disk from now on, whatever the other one may know; that becomes a copy of it.
   * Refused while the guest uses a leg that can be asked, and while the disk is open here. The
   * other leg is told first: who still has it from a guest's host that is cut off, or was killed,
   * does not get in any more.
   *
   * @param leg its source
   * @param runsNowhere a person's word for a leg that cannot be asked
   * @return what is recorded
   * @throws DeviceException when a leg cannot be told, or has no record
   */
  public MirrorRecord forceLeg(String user, String leg, boolean runsNowhere)
      throws DeviceException {
    turns.force(user);
    Runnable holdAgain = releases.withdraw(user);
    try {
      return force(user, leg, runsNowhere);
    } finally {
      holdAgain.run();
      turns.forced(user);
    }
  }

  private MirrorRecord force(String user, String leg, boolean runsNowhere) throws DeviceException {
    if (open.stream().anyMatch(disk -> disk.user().equals(user))) {
      throw new DeviceException(
          "%s is in use here with its legs: stop its guest first".formatted(user));
    }
    Authority.Known at = notInUse(user, leg, environment.authorities().of(leg).ask(user));
    Optional<MirrorLedger.Entry> here = environment.knownHere(user);
    MirrorRecord record =
        Stream.concat(at.record().stream(), here.map(MirrorLedger.Entry::record).stream())
            .findFirst()
            .filter(found -> found.legs().contains(leg))
            .orElseThrow(
                () ->
                    new DeviceException(
                        "%s is no leg of %s, as far as it and this host know"
                            .formatted(leg, user)));
    Optional<Authority.Known> other = other(user, record, leg, runsNowhere);
    Optional<Authority.Known> witness = witness(user);
    List<Authority.Known> asked =
        Stream.of(Optional.of(at), other, witness).flatMap(Optional::stream).toList();
    List<MirrorRecord> known =
        Stream.concat(
                asked.stream().flatMap(each -> each.record().stream()),
                here.map(MirrorLedger.Entry::record).stream())
            .toList();
    MirrorRecord forced =
        record.forced(
            leg,
            known.stream().mapToLong(MirrorRecord::epoch).max().orElseThrow(),
            known.stream()
                .filter(found -> found.mirror().equals(record.mirror()))
                .mapToLong(MirrorRecord::sizeBytes)
                .max()
                .orElseThrow());
    MirrorKeepers keepers =
        new MirrorLegs(environment, record.legs()).keepers(user, generation(asked, here), record);
    boolean tellsOther = other.filter(each -> each.generation() > 0).isPresent();
    MirrorKeepers.await(keepers.force(forced, tellsOther));
    return forced;
  }

  /**
   * A newer one than anybody's, and than that of a start elsewhere that has just asked for them: no
   * leg takes it from under such a guest. But the newest where this host has it: its guest waits
   * here with it, or has ended.
   */
  private static long generation(
      List<Authority.Known> asked, Optional<MirrorLedger.Entry> knownHere) {
    long newest = asked.stream().mapToLong(Authority.Known::generation).max().orElseThrow();
    long here = knownHere.map(MirrorLedger.Entry::generation).orElse(0L);
    return here >= newest ? here : newest + 2;
  }

  /** What the leg knows that is not to be the disk; empty when nobody can ask it. */
  private Optional<Authority.Known> other(
      String user, MirrorRecord record, String leg, boolean runsNowhere) throws DeviceException {
    String source = record.other(leg);
    Authority.Known known;
    try {
      known = environment.authorities().of(source).ask(user);
    } catch (DeviceException e) {
      if (!runsNowhere) {
        throw new DeviceException(
            "whether the guest uses %s cannot be asked: %s. If it runs on no host, say so with --runs-nowhere: should it run with that leg alone, all that it writes there is lost at its next start"
                .formatted(source, e.getMessage()),
            e);
      }
      log.warn("{}: {} is not asked: {}", user, source, e.getMessage());
      return Optional.empty();
    }
    if (known.record().filter(found -> !found.legs().containsAll(record.legs())).isPresent()) {
      throw new DeviceException(
          "%s is a leg of %s by now, and not of %s: let it be used as it is with `netchannel release-export ... --moved` at its server first"
              .formatted(
                  source,
                  String.join(" and ", known.record().get().legs()),
                  String.join(" and ", record.legs())));
    }
    return Optional.of(notInUse(user, source, known));
  }

  private static Authority.Known notInUse(String user, String leg, Authority.Known known)
      throws DeviceException {
    if (known.inUse()) {
      throw new DeviceException(
          "%s is in use by %s, generation %d: stop its guest first, on whatever host it runs"
              .formatted(leg, user, known.generation()));
    }
    return known;
  }

  private Optional<Authority.Known> witness(String user) {
    try {
      return environment.witness().isPresent()
          ? Optional.of(environment.witness().get().ask(user))
          : Optional.empty();
    } catch (DeviceException e) {
      log.info("{}: {}", user, e.getMessage());
      return Optional.empty();
    }
  }

  /**
   * Of a disk that is being opened no person says meanwhile which leg it is, and the other way
   * round. From any thread.
   */
  private static final class Turns {
    /** Longer than legs keep one waiting that opens them. */
    private static final Duration BOUND = Duration.ofMinutes(1);

    private final LongSupplier nanoTime;
    private final Multiset<String> opening = HashMultiset.create();
    private final Set<String> forced = new HashSet<>();

    Turns(LongSupplier nanoTime) {
      this.nanoTime = nanoTime;
    }

    synchronized void open(String user) throws DeviceException {
      if (forced.contains(user)) {
        throw new DeviceException(
            "a person says just now which leg of %s is the disk: try again".formatted(user));
      }
      opening.add(user);
    }

    synchronized void opened(String user) {
      opening.remove(user);
      notifyAll();
    }

    /** Waits for those that have begun to open it; others are refused. */
    synchronized void force(String user) throws DeviceException {
      if (!forced.add(user)) {
        throw new DeviceException(
            "somebody else says just now which leg of %s is the disk".formatted(user));
      }
      long endNanos = nanoTime.getAsLong() + BOUND.toNanos();
      try {
        while (opening.contains(user)) {
          long leftNanos = endNanos - nanoTime.getAsLong();
          if (leftNanos <= 0) {
            forced.remove(user);
            throw new DeviceException("%s is being opened just now: try again".formatted(user));
          }
          TimeUnit.NANOSECONDS.timedWait(this, leftNanos);
        }
      } catch (InterruptedException e) {
        forced.remove(user);
        Thread.currentThread().interrupt();
        throw new DeviceException("interrupted while %s was opened".formatted(user), e);
      }
    }

    synchronized void forced(String user) {
      forced.remove(user);
    }
  }
}
