package io.netchannel.device.legs;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.Inheritance;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.Storage;
import io.netchannel.device.legs.MirrorLegs.Opened;
import io.netchannel.device.legs.MirrorStart.LegAnswer;
import io.netchannel.device.legs.MirrorStart.Other;
import io.netchannel.device.legs.MirrorStart.Start;
import io.netchannel.device.legs.MirrorStart.Third;
import io.netchannel.device.mirror.DifferenceMap;
import io.netchannel.device.mirror.MirrorDevice;
import io.netchannel.device.mirror.MirrorSettings;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Opens a disk with two legs: attaches to both, asks who is up to date, follows the rule, records
 * what follows from it, and only then lets the guest in.
 */
final class MirrorOpening {
  private static final Logger log = LoggerFactory.getLogger(MirrorOpening.class);

  private final Mirrors.Environment environment;
  private final MirrorMaps maps;
  private final LegReleases releases;
  private final MirrorLegs legs;
  private final OpenOptions options;
  private final OpenOptions.User user;
  private final Consumer<MirroredDisk> whenClosed;

  /** Whether the same guest was served by a process before, on this host, and never left it. */
  private final boolean recovers;

  private final boolean handedOver;

  MirrorOpening(
      Mirrors.Environment environment,
      MirrorMaps maps,
      LegReleases releases,
      MirrorLegs legs,
      OpenOptions options,
      Consumer<MirroredDisk> whenClosed) {
    this.environment = environment;
    this.maps = maps;
    this.releases = releases;
    this.legs = legs;
    this.options = options;
    this.user = options.user().orElseThrow();
    this.whenClosed = whenClosed;
    recovers = user.inheritance().filter(Inheritance::isUntold).isPresent();
    handedOver = user.inheritance().equals(Optional.of(Inheritance.ENDED));
  }

  /**
   * May wait for both legs.
   *
   * @throws DeviceException when it must not start now; no leg has been told of this generation
   *     then, if that was to be known before
   */
  MirroredDisk open() throws DeviceException {
    List<Third> thirds = thirds();
    List<LegAnswer> before = ask();
    checkGenerations(before);
    checkOrder(before);
    if (before.stream().allMatch(leg -> leg.isThere() && leg.record().isEmpty())) {
      checkTwo();
    }
    var unused = MirrorStart.decide(before, thirds, handedOver);
    List<CompletableFuture<Opened>> opening =
        before.stream()
            .map(
                answer ->
                    answer.isThere()
                        ? legs.open(answer, options)
                        : CompletableFuture.completedFuture(Opened.away(answer)))
            .toList();
    List<Opened> opened = opening.stream().map(CompletableFuture::join).toList();
    try {
      List<LegAnswer> answers = opened.stream().map(Opened::answer).toList();
      return begin(remembering(MirrorStart.decide(answers, thirds, handedOver), opened), opened);
    } catch (DeviceException | RuntimeException e) {
      opened.forEach(this::closeUnused);
      throw e;
    }
  }

  /**
   * Around a first leg that is open, and has been the only one.
   *
   * @throws DeviceException when the second one cannot become a leg; nothing has changed then, or
   *     it says what has
   */
  MirroredDisk around(Device present) throws DeviceException {
    String first = legs.sources().get(0);
    List<LegAnswer> answers =
        legs.sources().stream().map(source -> legs.ask(source, user.name())).toList().stream()
            .map(CompletableFuture::join)
            .toList();
    for (LegAnswer answer : answers) {
      if (!answer.isThere() || answer.record().isPresent()) {
        throw new DeviceException(
            "%s cannot be a leg: %s"
                .formatted(
                    answer.leg(),
                    answer
                        .away()
                        .orElse(
                            "it is one already, "
                                + answer.record().map(MirrorRecord::toString).orElse(""))));
      }
    }
    checkTwo();
    Opened second = legs.open(answers.get(1), options).join();
    Device device =
        second.device().orElseThrow(() -> new DeviceException(second.answer().away().orElse("")));
    try {
      Optional<String> misfit = Leg.misfit(present.geometry(), device.geometry());
      if (misfit.isPresent()) {
        throw new DeviceException(legs.sources().get(1) + ": " + misfit.get());
      }
      Opened opened = new Opened(answers.get(0), Optional.of(present), environment.storage(first));
      MirroredDisk made = disk(new Start(first, Other.BEHIND, Optional.empty()), opened, second);
      present.becomesLeg();
      return made;
    } catch (DeviceException | RuntimeException e) {
      closeForGood(second);
      throw e;
    }
  }

  /**
   * A host has many names. Opened twice with one generation an export would be taken from its user
   * again and again.
   */
  private void checkTwo() throws DeviceException {
    String first = legs.sources().get(0);
    String second = legs.sources().get(1);
    Storage one = environment.devices().get().storage(first);
    Storage other = environment.devices().get().storage(second);
    if (one.isSame(other)) {
      throw new DeviceException(
          "%s and %s are one export under two names: a disk with two legs needs two, on two hosts"
              .formatted(first, second));
    }
    if (one.identity().isEmpty() || other.identity().isEmpty()) {
      throw new DeviceException(Storage.cannotBeTold(second, "that of " + first));
    }
  }

  /** Without the leg that the guest before did without, if its host hands it over so. */
  private List<LegAnswer> ask() {
    List<CompletableFuture<LegAnswer>> asked =
        legs.sources().stream().map(source -> legs.ask(source, user.name())).toList();
    CompletableFuture<Void> both = CompletableFuture.allOf(asked.toArray(CompletableFuture[]::new));
    if (handedOver) {
      CompletableFuture.anyOf(asked.toArray(CompletableFuture[]::new)).join();
    }
    if (!handedOver || asked.stream().noneMatch(MirrorOpening::goesOnAlone)) {
      both.join();
    }
    List<LegAnswer> answers = new ArrayList<>();
    for (int i = 0; i < asked.size(); i++) {
      answers.add(asked.get(i).getNow(LegAnswer.away(legs.sources().get(i), "not asked")));
    }
    return answers;
  }

  private static boolean goesOnAlone(CompletableFuture<LegAnswer> asked) {
    return asked.isDone()
        && asked
            .join()
            .record()
            .filter(record -> !record.isWhole() && record.isMember(asked.join().leg()))
            .isPresent();
  }

  /** Where the guest waits in its ring, and comes again, its place is kept. */
  private void closeUnused(Opened opened) {
    if (recovers) {
      opened.device().ifPresent(Device::keepPlace);
      opened.device().ifPresent(Device::close);
    } else {
      closeForGood(opened);
    }
  }

  private void closeForGood(Opened opened) {
    opened
        .device()
        .ifPresent(
            device ->
                releases.close(user.name(), user.generation(), opened.answer().leg(), device));
  }

  private List<Third> thirds() throws DeviceException {
    List<Third> found = new ArrayList<>();
    environment
        .knownHere(user.name())
        .ifPresent(
            entry -> found.add(new Third("this host", entry.generation(), false, entry.record())));
    if (environment.witness().isPresent()) {
      try {
        Authority.Known known = environment.witness().get().ask(user.name());
        known
            .record()
            .ifPresent(
                record -> found.add(new Third("the witness", known.generation(), true, record)));
      } catch (DeviceException e) {
        log.warn("{}: {}", user.name(), e.getMessage());
      }
    }
    return found;
  }

  /**
   * A leg that was too slow to be asked for its generation may have a newer one than this start
   * has, or the same of another life: this one would be taken for that, or be half of a disk. What
   * becomes a copy of a disk has its generation, also when it is opened once more.
   */
  private void checkGenerations(List<LegAnswer> answers) throws DeviceException {
    boolean mayHaveThis = user.inheritance().isPresent() || options.anew();
    long newest = mayHaveThis ? user.generation() : user.generation() - 1;
    for (LegAnswer answer : answers) {
      if (answer.generationBefore() > newest && recovers) {
        throw new DeviceException(
            "%s has generation %d of %s by now, and this guest %d: it was started on another host, or a person said there which leg is the disk. End this one"
                .formatted(
                    answer.leg(), answer.generationBefore(), user.name(), user.generation()));
      }
      if (answer.generationBefore() > newest) {
        throw new DeviceException(
            "%s was used with generation %d by %s, which did not answer in time when the generation of this start was chosen (%d): start it again"
                .formatted(
                    answer.leg(), answer.generationBefore(), user.name(), user.generation()));
      }
    }
  }

  /** A leg that has been the disk is not overwritten with one that was not, or only before it. */
  private void checkOrder(List<LegAnswer> answers) throws DeviceException {
    LegAnswer first = answers.get(0);
    LegAnswer second = answers.get(1);
    boolean isNew = first.record().isEmpty() && second.record().isEmpty();
    if (isNew && first.isThere() && second.generationBefore() > first.generationBefore()) {
      throw new DeviceException(
          "%s has been the disk of %s since %s was, if ever: a new mirror copies its first leg to the second, so put that one first; or start with %s alone, and add the other one with `netchannel mirror add`"
              .formatted(second.leg(), user.name(), first.leg(), first.leg()));
    }
  }

  /**
   * Of two legs that both were up to date one that has lost what it had not made durable is not the
   * disk, nor one that is another storage than before: the other one may have it.
   *
   * @throws DeviceException when that one is away, or does not know that it was up to date
   */
  private Start remembering(Start start, List<Opened> opened) throws DeviceException {
    Opened chosen = opened.get(legs.sources().indexOf(start.disk()));
    Opened other = opened.get(1 - opened.indexOf(chosen));
    if (start.other() != Other.MAY_DIFFER || !hasLost(chosen)) {
      return start;
    }
    String leg = other.answer().leg();
    if (!other.answer().record().equals(chosen.answer().record())) {
      throw new DeviceException(
          "%s has lost what was not flushed there, or is another storage, and %s was up to date, too: %s; %s"
              .formatted(
                  start.disk(),
                  leg,
                  other
                      .answer()
                      .away()
                      .map(why -> "start it when that can be used (%s)".formatted(why))
                      .orElse("that does not know of it"),
                  MirrorStart.force(start.disk())));
    }
    if (hasLost(other)) {
      return start;
    }
    log.warn(
        "{}: {} has lost what was not flushed there, or is another storage, so {} is the disk",
        user.name(),
        start.disk(),
        leg);
    return new Start(leg, Other.MAY_DIFFER, start.record());
  }

  /** Of a leg that was up to date, and is open. */
  private boolean hasLost(Opened opened) {
    Device device = opened.device().orElseThrow();
    MirrorRecord record = opened.answer().record().orElseThrow();
    String leg = opened.answer().leg();
    Optional<DifferenceMap> map = found(device.geometry().withSize(record.sizeBytes()));
    return device.hasLostWrites()
        || (map.isPresent() && !map.get().isOf(record.legs().indexOf(leg), opened.storage()));
  }

  private MirroredDisk begin(Start start, List<Opened> opened) throws DeviceException {
    boolean diskIsFirst = start.disk().equals(legs.sources().get(0));
    MirroredDisk mirrored =
        disk(start, opened.get(diskIsFirst ? 0 : 1), opened.get(diskIsFirst ? 1 : 0));
    mirrored.begin();
    return mirrored;
  }

  /** One that has not begun. */
  private MirroredDisk disk(Start start, Opened chosen, Opened second) throws DeviceException {
    Device device = chosen.device().orElseThrow();
    Optional<Device> other = second.device();
    DeviceGeometry geometry = geometry(start, device, other);
    Optional<String> misfit = Leg.misfit(geometry, device.geometry());
    if (misfit.isPresent()) {
      throw new DeviceException("%s: %s".formatted(start.disk(), misfit.get()));
    }
    boolean hasGrown =
        start.record().filter(found -> found.sizeBytes() < geometry.sizeBytes()).isPresent();
    // One that has other blocks by now, say, is left behind until it fits.
    boolean alike =
        start.other() == Other.ALIKE
            && !hasGrown
            && other.filter(found -> Leg.misfit(geometry, found.geometry()).isEmpty()).isPresent();
    MirrorRecord record = next(start, alike, geometry.sizeBytes());
    DifferenceMap map = map(geometry, alike);
    MirrorKeepers keepers = legs.keepers(user.name(), user.generation(), record);
    try {
      record(start, alike, keepers);
    } catch (DeviceException | RuntimeException e) {
      if (!map.isFound()) {
        maps.remove(user.name(), map);
      }
      throw e;
    }
    // Not before that is recorded: else the next process takes another storage for the same. The
    // storage of a leg that is not up to date is asked for when it is there.
    for (Opened leg : alike ? List.of(chosen, second) : List.of(chosen)) {
      map.legIs(record.legs().indexOf(leg.answer().leg()), leg.storage());
    }
    Leg leader = new Leg(start.disk(), geometry);
    leader.put(device);
    Leg follower = new Leg(record.other(start.disk()), geometry);
    follower.problem("is being opened");
    boolean compares = map.isFull() && start.record().isPresent();
    MirroredDisk mirrored =
        new MirroredDisk(
            environment,
            user.name(),
            options.anew(),
            leader,
            follower,
            keepers,
            releases,
            (owner, nanoTime) ->
                MirrorDevice.lasting(
                    leader,
                    follower,
                    near(leader, follower),
                    map,
                    MirrorSettings.lasting(compares, environment.legTimeout()),
                    environment.buffers(),
                    owner,
                    nanoTime),
            closed -> closed(closed, map));
    log.info(
        "{}: starts from {}, the other leg {}; {}",
        user.name(),
        start.disk(),
        start.other(),
        record);
    if (alike) {
      follower.put(other.orElseThrow());
      mirrored.willBeInSync(handedOver && record.equals(start.record().orElse(null)));
    } else {
      mirrored.willCopy(other, recovers ? user.inheritance() : Optional.empty());
    }
    return mirrored;
  }

  /** What is recorded of a new mirror that does not begin is forgotten: it would be none. */
  private static void record(Start start, boolean alike, MirrorKeepers keepers)
      throws DeviceException {
    MirrorRecord record = keepers.record();
    boolean isNew = start.record().isEmpty();
    if (isNew) {
      keepers.checkCanGoOn(start.disk()); // before anybody hears of it
    }
    try {
      MirrorKeepers.await(
          keepers.begin(record, alike ? record.members() : ImmutableList.of(start.disk())));
    } catch (DeviceException e) {
      throw isNew ? forgotten(start.disk(), keepers, e) : e;
    }
  }

  private static DeviceException forgotten(
      String disk, MirrorKeepers keepers, DeviceException cause) {
    try {
      MirrorKeepers.await(keepers.forget());
      return cause;
    } catch (DeviceException e) {
      return new DeviceException(
          "%s; %s may have a record of both legs all the same (%s): should it refuse its guest alone, `netchannel release-export ... --moved` at its server"
              .formatted(cause.getMessage(), disk, e.getMessage()),
          cause);
    }
  }

  /** Its map is of use to a process that goes on with it. */
  private void closed(MirroredDisk disk, DifferenceMap map) {
    whenClosed.accept(disk);
    if (!disk.keepsPlace()) {
      maps.remove(user.name(), map);
    }
  }

  /** What holds while the guest runs: a leg that may differ is not up to date. */
  private MirrorRecord next(Start start, boolean alike, long sizeBytes) {
    if (start.record().isEmpty()) {
      return MirrorRecord.first(
          environment.ids().get(), user.generation(), sizeBytes, legs.sources(), start.disk());
    }
    MirrorRecord found = start.record().get();
    boolean stays = alike ? handedOver && !found.closed() : !found.isWhole();
    return stays && found.sizeBytes() == sizeBytes
        ? found
        : found.next(
            user.generation(), alike ? found.members() : ImmutableList.of(start.disk()), sizeBytes);
  }

  /**
   * As the leg's that is the disk, of the size that the mirror has. It grows with its legs, when it
   * starts for a guest that was told no size yet, and both are there.
   */
  private DeviceGeometry geometry(Start start, Device device, Optional<Device> other) {
    DeviceGeometry leg = device.geometry();
    if (start.record().isEmpty()) {
      return leg;
    }
    long sizeBytes = start.record().get().sizeBytes();
    if (other.isPresent() && user.inheritance().isEmpty()) {
      long both = Math.min(leg.sizeBytes(), other.get().geometry().sizeBytes());
      sizeBytes = Math.max(sizeBytes, both);
    }
    return leg.withSize(sizeBytes);
  }

  private Optional<Device> near(Leg leader, Leg follower) {
    return Stream.of(leader, follower)
        .filter(leg -> environment.isNear().test(leg.source()))
        .<Device>map(leg -> leg)
        .findFirst();
  }

  /** That of the process before, where there was one: else of legs of which nothing is known. */
  private DifferenceMap map(DeviceGeometry geometry, boolean alike) {
    Optional<DifferenceMap> found = alike ? Optional.empty() : found(geometry);
    return found.orElseGet(() -> maps.create(user.name(), geometry.sizeBytes()));
  }

  private Optional<DifferenceMap> found(DeviceGeometry geometry) {
    try {
      if (recovers && !options.anew()) {
        return Optional.of(
            maps.reopen(user.name(), geometry.sizeBytes(), user.inheritance().get().unanswered()));
      }
    } catch (NoSuchFileException e) {
      log.debug("{}: all is compared", user.name());
    } catch (IOException e) {
      log.warn("{}: all is compared: {}", user.name(), e.getMessage());
    }
    return Optional.empty();
  }
}
