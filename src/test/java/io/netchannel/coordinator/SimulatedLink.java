package io.netchannel.coordinator;

import io.netchannel.coordinator.PeerException.Kind;
import io.netchannel.coordinator.PeerMessages.Claim;
import io.netchannel.coordinator.PeerMessages.Exported;
import io.netchannel.coordinator.PeerMessages.PhaseReport;
import io.netchannel.coordinator.PeerMessages.Prepare;
import io.netchannel.coordinator.PeerMessages.Prepared;
import io.netchannel.coordinator.PeerMessages.SealedDevice;
import io.netchannel.coordinator.PeerMessages.ServedDomain;
import io.netchannel.coordinator.PeerMessages.Timeline;
import io.netchannel.coordinator.PeerMessages.TimelineStep;
import io.netchannel.coordinator.PeerMessages.Volume;
import io.netchannel.coordinator.PeerMessages.WantedVolume;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/** Calls from one host to the other, lost, doubled and late as a plan says. */
final class SimulatedLink implements Peer {
  private final SimulatedHost from;
  private final SimulatedHost to;
  private final int life;
  private final Faults faults;

  /** What becomes of the answers of parked calls, besides what chance does to them. */
  enum Parked {
    ANSWERED,
    LOST,
    LATE
  }

  /** What the network does to messages; shared by both directions. */
  static final class Faults {
    private final Random random;
    private final double rate;
    private final List<Runnable> late = new ArrayList<>();
    private boolean on = true;
    private Parked parked = Parked.ANSWERED;
    private Duration clockAhead = Duration.ZERO;

    /**
     * @param rate probability of each kind of fault for each message
     */
    Faults(Random random, double rate) {
      this.random = random;
      this.rate = rate;
    }

    private boolean happens() {
      return on && rate > 0 && random.nextDouble() < rate;
    }

    /** Of who answers, against who asks; people's timelines have to do with it, nothing else. */
    void setClockAhead(Duration clockAhead) {
      this.clockAhead = clockAhead;
    }

    void setParked(Parked parked) {
      this.parked = parked;
    }

    void stop() {
      on = false;
    }

    /** Late messages arrive now. */
    void deliverLate() {
      List<Runnable> now = List.copyOf(late);
      late.clear();
      now.forEach(Runnable::run);
    }
  }

  SimulatedLink(SimulatedHost from, SimulatedHost to, Faults faults) {
    this.from = from;
    this.to = to;
    this.life = from.life();
    this.faults = faults;
  }

  @FunctionalInterface
  private interface Handler<T> {
    T run(PeerService service) throws MigrationRefusedException;
  }

  private <T> T call(Handler<T> handler) throws PeerException {
    from.calls(to);
    from.step(life);
    if (faults.happens()) {
      faults.deliverLate();
    }
    if (faults.happens()) {
      throw noAnswer("request lost");
    }
    if (faults.happens()) {
      faults.late.add(() -> deliverQuietly(handler));
      throw noAnswer("request late");
    }
    if (faults.happens()) {
      deliverQuietly(handler);
    }
    T answer = deliver(handler);
    if (faults.happens()) {
      throw noAnswer("answer lost");
    }
    from.step(life);
    return answer;
  }

  private <T> T deliver(Handler<T> handler) throws PeerException {
    int lifeThere = to.life();
    try {
      to.step(lifeThere);
      T answer = handler.run(to.coordinator());
      to.step(lifeThere);
      return answer;
    } catch (MigrationRefusedException e) {
      throw new PeerException(Kind.REFUSED, e.getMessage(), e);
    } catch (SimulatedHost.Crash e) {
      from.step(life);
      throw noAnswer("connection lost");
    }
  }

  private <T> void deliverQuietly(Handler<T> handler) {
    try {
      deliver(handler);
    } catch (PeerException e) {
      // Nobody waits for it.
    }
  }

  private PeerException noAnswer(String why) {
    return new PeerException(Kind.NO_ANSWER, to.name() + ": " + why);
  }

  @Override
  public String name() {
    return to.name();
  }

  @Override
  public List<ServedDomain> describe(String domainName, Duration bound) throws PeerException {
    return call(service -> service.describe(domainName));
  }

  @Override
  public Optional<ServedDomain> describe(UUID domain, Duration bound) throws PeerException {
    return call(service -> service.describe(domain));
  }

  @Override
  public Prepared prepare(Prepare request, Duration bound) throws PeerException {
    return call(service -> service.prepare(from.name(), request));
  }

  @Override
  public Optional<Exported> export(String name, Duration bound) {
    return Optional.empty();
  }

  @Override
  public List<SealedDevice> seal(UUID migration, Duration bound) throws PeerException {
    return call(service -> service.seal(from.name(), migration));
  }

  @Override
  public CompletableFuture<List<SealedDevice>> sealWhenSuspended(
      UUID migration, Duration bound, Consumer<SealedDevice> known) {
    from.step(life);
    CompletableFuture<List<SealedDevice>> answer = new CompletableFuture<>();
    if (faults.happens()) {
      answer.completeExceptionally(noAnswer("request lost"));
      return answer;
    }
    int calls = faults.happens() ? 2 : 1;
    int lifeThere = to.life();
    try {
      for (int call = 0; call < calls; call++) {
        to.step(lifeThere);
        CompletableFuture<List<SealedDevice>> unused =
            to.coordinator()
                .sealWhenSuspended(from.name(), migration, disk -> known(known, lifeThere, disk))
                .whenComplete((disks, failure) -> answered(answer, lifeThere, disks, failure));
        to.step(lifeThere);
      }
    } catch (MigrationRefusedException e) {
      answer.completeExceptionally(new PeerException(Kind.REFUSED, e.getMessage(), e));
    } catch (SimulatedHost.Crash e) {
      from.step(life);
      answer.completeExceptionally(noAnswer("connection lost"));
    }
    return answer;
  }

  /** A crash of who is told is nothing that who tells would feel. */
  private void known(Consumer<SealedDevice> known, int lifeThere, SealedDevice disk) {
    if (isUp(lifeThere) && !faults.happens()) {
      try {
        known.accept(disk);
      } catch (SimulatedHost.Crash e) {
        to.step(lifeThere);
      }
    }
  }

  /** With either host a connection dies. */
  private boolean isUp(int lifeThere) {
    return from.isUp() && from.life() == life && to.isUp() && to.life() == lifeThere;
  }

  /** A call that was parked is answered. */
  private void answered(
      CompletableFuture<List<SealedDevice>> answer,
      int lifeThere,
      List<SealedDevice> disks,
      Throwable failure) {
    if (!isUp(lifeThere)) {
      return;
    }
    if (failure != null) {
      answer.completeExceptionally(new PeerException(Kind.REFUSED, failure.getMessage(), failure));
    } else if (faults.parked == Parked.LOST || faults.happens()) {
      answer.completeExceptionally(noAnswer("answer lost"));
    } else if (faults.parked == Parked.LATE || faults.happens()) {
      faults.late.add(() -> answer.complete(disks));
    } else {
      answer.complete(disks);
    }
  }

  @Override
  public Timeline timeline(UUID migration, Duration bound) throws PeerException {
    Timeline answer = call(service -> service.timeline(from.name(), migration));
    return new Timeline(
        answer.now().plus(faults.clockAhead),
        answer.steps().stream()
            .map(s -> new TimelineStep(s.phase(), s.at().plus(faults.clockAhead), s.detail()))
            .toList());
  }

  @Override
  public List<String> takeOver(UUID migration, List<Claim> claims, Duration bound)
      throws PeerException {
    return call(
        service -> {
          List<String> copied = service.takeOver(from.name(), migration, claims);
          to.hasGiven(migration, from);
          return copied;
        });
  }

  @Override
  public Volume volume(WantedVolume wanted, Duration bound) {
    throw new UnsupportedOperationException();
  }

  @Override
  public PhaseReport abort(UUID migration, String reason, Duration bound) throws PeerException {
    return call(service -> service.abort(from.name(), migration, reason));
  }

  @Override
  public PhaseReport commit(UUID migration, Duration bound) throws PeerException {
    return call(service -> service.commit(from.name(), migration));
  }

  @Override
  public PhaseReport status(UUID migration, UUID domain, Direction asked, Duration bound)
      throws PeerException {
    return call(service -> service.status(from.name(), migration, domain, asked));
  }
}
