package io.netchannel.rehearsal.stress;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import io.netchannel.rehearsal.Await;
import io.netchannel.rehearsal.host.HostPair;
import io.netchannel.tls.TestCertificateAuthority;
import io.netchannel.tls.TlsFiles;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One run. See the package for what happens. */
public final class Stress {
  private static final Logger log = LoggerFactory.getLogger(Stress.class);

  private static final String A = "hosta";
  private static final String B = "hostb";

  /** Of the daemon that the guests come to: it only takes part so that they can. */
  private static final String OTHERS_BUDGET = "64M";

  private static final long LOOK_MILLIS = 100;
  private static final int MAX_REPORTED = 20;
  private static final Duration ENDS = Duration.ofSeconds(20);

  /**
   * What is asked of the daemon.
   *
   * @param disks guests with a disk each
   * @param depth requests of 1 MiB that each has outstanding
   * @param seconds how long they are busy
   * @param moves guests beside them that migrate
   * @param budget the daemon's [memory] buffers
   */
  public record Load(int disks, int depth, int seconds, int moves, String budget) {
    public static final Load DEFAULT = new Load(200, StressGuest.MAX_DEPTH, 30, 12, "512M");

    public Load {
      expect("disks", disks, 1, 1000);
      expect("depth", depth, 1, StressGuest.MAX_DEPTH);
      expect("seconds", seconds, 1, 3600);
      expect("moves", moves, 0, 100);
    }

    private static void expect(String name, int value, int least, int most) {
      if (value < least || value > most) {
        throw new IllegalArgumentException(
            "--%s: expected %d to %d, found %d".formatted(name, least, most, value));
      }
    }
  }

  /** Something that must hold. */
  public record Verdict(String rule, boolean holds, String found) {}

  private final Load load;
  private final PrintWriter out;
  private final ConcurrentLinkedQueue<String> violations = new ConcurrentLinkedQueue<>();
  private final Peaks peaks = new Peaks();
  private final Map<String, Object> figures = new LinkedHashMap<>();

  public Stress(Load load, PrintWriter out) {
    this.load = load;
    this.out = out;
  }

  /**
   * Runs it and writes {@code stress.json} to {@code output}.
   *
   * @return the exit code: 0 when all holds, else 1
   * @throws IOException when it cannot go on
   */
  public int run(Path output) throws IOException {
    long begun = System.nanoTime();
    List<Verdict> verdicts = play();
    figures.put("tookSeconds", TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - begun));
    boolean holds = verdicts.stream().allMatch(Verdict::holds);
    Map<String, Object> report = new LinkedHashMap<>();
    report.put("verdict", holds ? "pass" : "fail");
    report.put("load", load);
    report.put("figures", figures);
    report.put("verdicts", verdicts);
    report.put("violations", reported());
    Path file = output.resolve("stress.json");
    new ObjectMapper().writerWithDefaultPrettyPrinter().writeValue(file.toFile(), report);
    figures.forEach((name, value) -> out.printf("  %-28s %s%n", name, value));
    verdicts.forEach(
        one -> out.printf("%s  %s: %s%n", one.holds() ? "ok  " : "FAIL", one.rule(), one.found()));
    reported().forEach(words -> out.println("      " + words));
    out.printf("%s; report: %s%n", holds ? "All of it holds" : "FAILED", file);
    out.flush();
    return holds ? 0 : 1;
  }

  /** Plays it; what must hold of it. */
  List<Verdict> play() throws IOException {
    // Sockets have short paths (108 bytes), so they are not under the output.
    Path scratch = Files.createTempDirectory("netchannel-stress");
    ScheduledExecutorService timer = Executors.newScheduledThreadPool(2, Stress::daemonThread);
    ScheduledExecutorService looks =
        Executors.newSingleThreadScheduledExecutor(Stress::daemonThread);
    try (HostPair pair = pair(scratch, timer)) {
      var unused = looks.scheduleAtFixedRate(peaks::look, 0, LOOK_MILLIS, TimeUnit.MILLISECONDS);
      pair.start(pair.a(), configuration(load.budget()));
      pair.start(pair.b(), configuration(OTHERS_BUDGET));
      StressScene scene = new StressScene(load, pair, scratch, this::violation, this::say);
      try {
        scene.play();
        figures.putAll(scene.figures());
        return verdicts(scene, pair);
      } finally {
        scene.close();
      }
    } finally {
      looks.shutdownNow();
      timer.shutdownNow();
      MoreFiles.deleteRecursively(scratch, RecursiveDeleteOption.ALLOW_INSECURE);
    }
  }

  private static Thread daemonThread(Runnable task) {
    Thread thread = new Thread(task, "stress");
    thread.setDaemon(true);
    return thread;
  }

  private HostPair pair(Path scratch, ScheduledExecutorService timer) throws IOException {
    TestCertificateAuthority authority =
        new TestCertificateAuthority(Clock.systemUTC(), new SecureRandom());
    Path pki = scratch.resolve("pki");
    authority.init(pki);
    return HostPair.of(
        scratch,
        member(authority, pki, scratch, A),
        member(authority, pki, scratch, B),
        devices -> new StressDevices(devices, timer, this::violation));
  }

  private static HostPair.Member member(
      TestCertificateAuthority authority, Path pki, Path scratch, String name) throws IOException {
    Path files = scratch.resolve(name).resolve("pki");
    authority.host(pki, files, name);
    return new HostPair.Member(name, name, TlsFiles.libvirt(files));
  }

  /** How fast this machine is says nothing of whether all get on: bounds are generous. */
  private static String configuration(String budget) {
    return """
    [memory]
    buffers = "%s"

    [timeouts]
    prepare = "60s"
    seal = "60s"
    hand-over = "60s"
    take-over = "60s"
    hook = "4m"
    """
        .formatted(budget);
  }

  private List<Verdict> verdicts(StressScene scene, HostPair pair) throws IOException {
    peaks.look();
    JsonNode memory = pair.a().command("{\"command\":\"status\"}").path("memory").path("buffers");
    figures.put("budgetBytes", memory.path("budgetBytes").asLong());
    figures.put("buffersMadeBytes", memory.path("madeBytes").asLong());
    figures.put("peakDirectBytes", peaks.directBytes());
    figures.put("peakNettyBytes", peaks.nettyBytes());
    figures.put("peakHeapBytes", peaks.heapBytes());
    figures.put("peakResidentBytes", Peaks.residentBytes());
    figures.put("peakThreads", peaks.threads());
    long bound = StressScene.directBound();
    // Where a guest has moved from, its mid-point goes a moment later.
    boolean run = Await.within(ENDS, () -> Peaks.midPoints() == scene.diskCount());
    int threads = Peaks.midPoints();
    return List.of(
        new Verdict("no error", violations.isEmpty(), violations.size() + " seen"),
        new Verdict(
            "no mid-point's thread has ended",
            run,
            "%d of %d run".formatted(threads, scene.diskCount())),
        new Verdict(
            "every guest gets on, also after a rest", scene.stuck().isEmpty(), words(scene)),
        new Verdict(
            "the slowest guest has at least %s of the mean".formatted(StressScene.LEAST_FAIRNESS),
            scene.fairness() >= StressScene.LEAST_FAIRNESS,
            "%.2f".formatted(scene.fairness())),
        new Verdict(
            "buffers stay within the budget",
            memory.path("madeBytes").asLong() <= memory.path("budgetBytes").asLong()
                && memory.path("madeBytes").asLong() > 0,
            "%d of %d MiB".formatted(mib(memory, "madeBytes"), mib(memory, "budgetBytes"))),
        new Verdict(
            "direct memory stays below what Java was given",
            peaks.directBytes() < bound,
            "%d of %d MiB".formatted(peaks.directBytes() >> 20, bound >> 20)));
  }

  private static String words(StressScene scene) {
    return scene.stuck().isEmpty() ? "all do" : String.join(", ", scene.stuck());
  }

  private static long mib(JsonNode memory, String name) {
    return memory.path(name).asLong() >> 20;
  }

  private void violation(String words) {
    violations.add(words);
    log.error("{}", words);
  }

  private void say(String words) {
    out.println(words);
    out.flush();
  }

  private List<String> reported() {
    return violations.stream().distinct().limit(MAX_REPORTED).toList();
  }
}
