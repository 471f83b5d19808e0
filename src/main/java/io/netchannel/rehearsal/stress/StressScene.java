package io.netchannel.rehearsal.stress;

import io.netchannel.rehearsal.Await;
import io.netchannel.rehearsal.guest.DiskModel;
import io.netchannel.rehearsal.guest.LinuxGuest;
import io.netchannel.rehearsal.guest.Workload;
import io.netchannel.rehearsal.host.DomainDefinition;
import io.netchannel.rehearsal.host.HostPair;
import io.netchannel.rehearsal.host.Virsh;
import io.netchannel.vdevice.block.DiskName;
import io.netchannel.xen.embedded.EmbeddedDomain;
import io.netty.util.internal.PlatformDependent;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;

/**
 * What happens to the guests: started; all busy; every fourth one idle, and the moving ones
 * migrated at once; all busy again; stopped. The last two parts are of the same length.
 */
final class StressScene implements AutoCloseable {
  /** What the slowest guest must have done of what the guests did on average. */
  static final double LEAST_FAIRNESS = 0.5;

  private static final String TARGET = "xvdb";
  private static final int IDLE_EACH = 4;
  private static final int PARTS = 3;
  private static final long MOVING_DISK_BYTES = 4 << 20;
  private static final int MOVING_DEPTH = 32;
  private static final long SEED = 9;

  /** A request is a matter of seconds at worst; a loaded machine gets more. */
  private static final Duration BOUND = Duration.ofSeconds(60);

  private record Moving(Virsh virsh, LinuxGuest guest, Workload workload) {}

  private final Stress.Load load;
  private final HostPair pair;
  private final Path scratch;
  private final Consumer<String> violations;
  private final Consumer<String> say;
  private final ExecutorService movers = Executors.newCachedThreadPool();
  private final List<StressGuest> guests = new ArrayList<>();
  private final List<Moving> moving = new ArrayList<>();
  private final List<String> stuck = new ArrayList<>();
  private final Map<String, Object> figures = new LinkedHashMap<>();
  private double fairness;

  StressScene(
      Stress.Load load,
      HostPair pair,
      Path scratch,
      Consumer<String> violations,
      Consumer<String> say) {
    this.load = load;
    this.pair = pair;
    this.scratch = scratch;
    this.violations = violations;
    this.say = say;
  }

  /** What direct memory Java was given. */
  static long directBound() {
    return PlatformDependent.estimateMaxDirectMemory();
  }

  void play() throws IOException {
    say.accept("starting %d guests, and %d that will move".formatted(load.disks(), load.moves()));
    for (int i = 0; i < load.disks(); i++) {
      startGuest(i + 1);
    }
    for (int i = 0; i < load.moves(); i++) {
      startMoving(load.disks() + 1 + i);
    }
    Duration part = Duration.ofSeconds(load.seconds()).dividedBy(PARTS);
    long[] begun = completed();
    long start = System.nanoTime();
    guests.forEach(StressGuest::start);
    moving.forEach(one -> one.guest().run(one.workload()::start));
    say.accept("all are busy");
    pass(part);
    idle().forEach(StressGuest::stop);
    long[] rested = completed();
    say.accept("every fourth one rests; %d migrate at once".formatted(moving.size()));
    long moveStart = System.nanoTime();
    moveAll();
    figures.put("movesTookMillis", (System.nanoTime() - moveStart) / 1_000_000);
    pass(part.minusNanos(System.nanoTime() - moveStart));
    idle().forEach(StressGuest::start);
    say.accept("all are busy again");
    pass(part);
    long[] ended = completed();
    double seconds = (System.nanoTime() - start) / 1e9;
    judge(begun, ended);
    figures.put("requestsPerSecond", Math.round(sum(ended) / seconds));
    getOn("after the rest", rested);
    getOn("in the end", ended);
    stop();
  }

  private static void pass(Duration time) {
    long end = System.nanoTime() + time.toNanos();
    boolean unused = Await.within(time, () -> System.nanoTime() - end >= 0);
  }

  private void startGuest(int number) throws IOException {
    DomainDefinition definition = definition(number, StressDevices.KIND + number);
    try {
      EmbeddedDomain domain = new Virsh(definition, Clock.systemUTC()).start(pair.a());
      guests.add(new StressGuest(domain, DiskName.devid(TARGET), number, load.depth(), violations));
    } catch (Virsh.RefusedException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  private void startMoving(int number) throws IOException {
    Path file = scratch.resolve("disk-" + number);
    try (RandomAccessFile disk = new RandomAccessFile(file.toFile(), "rw")) {
      disk.setLength(MOVING_DISK_BYTES);
    }
    Virsh virsh = new Virsh(definition(number, "delay:write=20ms!file:" + file), Clock.systemUTC());
    LinuxGuest guest = new LinuxGuest();
    try {
      EmbeddedDomain domain = virsh.start(pair.a());
      Workload workload =
          new Workload(
              guest.boot(domain, DiskName.devid(TARGET)),
              new DiskModel(MOVING_DISK_BYTES),
              MOVING_DEPTH,
              new Random(SEED + number),
              System::nanoTime);
      moving.add(new Moving(virsh, guest, workload));
    } catch (Virsh.RefusedException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  private static DomainDefinition definition(int number, String source) {
    return new DomainDefinition("guest" + number, new UUID(SEED, number), TARGET, source);
  }

  private void moveAll() {
    List<CompletableFuture<Void>> moves =
        moving.stream().map(one -> CompletableFuture.runAsync(() -> move(one), movers)).toList();
    for (CompletableFuture<Void> move : moves) {
      try {
        move.join();
      } catch (CompletionException e) {
        violations.accept("a migration broke off: " + e.getCause());
      }
    }
  }

  private void move(Moving one) {
    try {
      Virsh.Outcome outcome =
          one.virsh().migrate(pair.a(), pair.b(), one.guest(), one.workload(), () -> {});
      if (!outcome.moved()) {
        violations.accept("a guest did not move: " + outcome.message());
      }
    } catch (IOException | Virsh.RefusedException e) {
      violations.accept("a guest did not move: " + e.getMessage());
    }
  }

  /** Of guests that were busy all the time. */
  private void judge(long[] begun, long[] ended) {
    double[] done = new double[guests.size()];
    int busy = 0;
    for (int i = 0; i < guests.size(); i++) {
      if (!isIdle(i)) {
        done[busy++] = ended[i] - begun[i];
      }
    }
    double[] of = Arrays.copyOf(done, busy);
    double mean = Arrays.stream(of).average().orElse(0);
    fairness = mean == 0 ? 0 : Arrays.stream(of).min().orElse(0) / mean;
    figures.put("guests", guests.size());
    figures.put("requestsMean", Math.round(mean));
    figures.put("requestsSlowest", Math.round(fairness * mean));
    figures.put("requestsFastest", Math.round(Arrays.stream(of).max().orElse(0)));
    figures.put("slowestOverMean", Math.round(fairness * 100) / 100.0);
  }

  /** Each does more than it had done. */
  private void getOn(String when, long[] before) {
    boolean all =
        Await.within(
            BOUND,
            () -> {
              long[] now = completed();
              for (int i = 0; i < now.length; i++) {
                if (now[i] <= before[i]) {
                  return false;
                }
              }
              return true;
            });
    if (!all) {
      long[] now = completed();
      for (int i = 0; i < now.length; i++) {
        if (now[i] <= before[i]) {
          stuck.add("guest %d, %s".formatted(i + 1, when));
        }
      }
    }
  }

  private void stop() {
    guests.forEach(StressGuest::stop);
    moving.forEach(one -> one.guest().run(one.workload()::stop));
    if (!Await.within(BOUND, () -> guests.stream().allMatch(guest -> guest.outstanding() == 0))) {
      stuck.add("some requests were never answered");
    }
    for (Moving one : moving) {
      if (!Await.within(BOUND, () -> one.workload().progress().outstanding() == 0)) {
        stuck.add("a guest that moved");
      }
      one.workload().progress().violations().forEach(violations);
      figures.merge(
          "verifiedRequests", one.workload().progress().completed(), (a, b) -> (long) a + (long) b);
    }
  }

  private List<StressGuest> idle() {
    List<StressGuest> idle = new ArrayList<>();
    for (int i = 0; i < guests.size(); i++) {
      if (isIdle(i)) {
        idle.add(guests.get(i));
      }
    }
    return idle;
  }

  private static boolean isIdle(int guest) {
    return guest % IDLE_EACH == IDLE_EACH - 1;
  }

  private long[] completed() {
    return guests.stream().mapToLong(StressGuest::completed).toArray();
  }

  private static long sum(long[] values) {
    return Arrays.stream(values).sum();
  }

  /** Mid-points that must run at the end: those that moved are at the other host. */
  int diskCount() {
    return guests.size() + moving.size();
  }

  List<String> stuck() {
    return stuck;
  }

  double fairness() {
    return fairness;
  }

  Map<String, Object> figures() {
    return figures;
  }

  @Override
  public void close() {
    movers.shutdownNow();
    guests.forEach(StressGuest::stop);
    moving.forEach(one -> one.guest().close());
  }
}
