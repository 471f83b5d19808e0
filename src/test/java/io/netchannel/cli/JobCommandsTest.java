package io.netchannel.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.base.Splitter;
import io.netchannel.daemon.ControlEndpoint;
import io.netchannel.daemon.ControlException;
import io.netchannel.daemon.Json;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** swap, jobs and job against a control socket whose daemon is the test. */
@Timeout(60)
final class JobCommandsTest {
  @TempDir private Path directory;
  private ControlEndpoint endpoint;
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();
  private final List<Map<String, Object>> asked = Collections.synchronizedList(new ArrayList<>());

  /** What it tells, one after the other; the last one for ever. Guarded by itself. */
  private final ArrayDeque<Object> tells = new ArrayDeque<>();

  private volatile Optional<String> refusal = Optional.empty();

  @BeforeEach
  void listen() throws Exception {
    endpoint = ControlEndpoint.open(directory.resolve("control.sock"), this::answer);
  }

  @AfterEach
  void close() {
    endpoint.close();
  }

  private Object answer(Map<String, Object> request) throws ControlException {
    asked.add(request);
    if (refusal.isPresent()) {
      throw new ControlException(refusal.get());
    }
    synchronized (tells) {
      return tells.size() > 1 ? tells.remove() : tells.element();
    }
  }

  private void tell(Told... jobs) {
    synchronized (tells) {
      Arrays.stream(jobs).map(Told::json).forEach(tells::add);
    }
  }

  private int run(String line) {
    List<String> arguments = new ArrayList<>(Splitter.on(' ').splitToList(line));
    arguments.add("--socket=" + directory.resolve("control.sock"));
    return NetchannelCommand.run(
        new PrintWriter(out, true), new PrintWriter(err, true), arguments.toArray(String[]::new));
  }

  private Map<String, Object> request() {
    return asked.get(0);
  }

  @Test
  void swapAsksForWhatItsOptionsSay() {
    tell(Told.in("copying"));
    assertThat(run("swap web1 xvdb /dev/vg1/web1")).isZero();
    Map<String, Object> plain = new LinkedHashMap<>();
    plain.put("command", "swap");
    plain.put("domain", "web1");
    plain.put("target", "xvdb");
    plain.put("source", "file:/dev/vg1/web1");
    plain.put("destIsZero", false);
    plain.put("create", false);
    plain.put("verify", false);
    plain.put("pivot", "auto");
    plain.put("converge", "auto");
    plain.put("bandwidth", 0L);
    assertThat(request()).isEqualTo(plain);
    asked.clear();
    assertThat(
            run(
                "swap web1 xvdb netchannel://hostb/web1 --create --verify --dest-is-zero --pivot"
                    + " manual --converge never --bandwidth 50M"))
        .isZero();
    plain.put("source", "netchannel://hostb/web1");
    plain.put("destIsZero", true);
    plain.put("create", true);
    plain.put("verify", true);
    plain.put("pivot", "manual");
    plain.put("converge", "never");
    plain.put("bandwidth", 50L << 20);
    assertThat(request()).isEqualTo(plain);
  }

  @Test
  void withoutWaitItSaysThatItHasBegun() {
    tell(Told.in("copying"));
    assertThat(run("swap web1 xvdb file:/dev/vg1/web1")).isZero();
    assertThat(out.toString())
        .isEqualTo("xvdb of web1: copying 41.3 of 96.0 GiB (43 %), 182 MiB/s, 5 min left\n");
    assertThat(asked).hasSize(1);
  }

  @ParameterizedTest
  @ValueSource(strings = {"swap web1 xvdb file:/b", "swap web1 xvdb file:/b --wait"})
  void oneThatFailedAtOnceIsAFailure(String line) {
    tell(Told.in("failed").with("reason", "file:/b: No such file"));
    assertThat(run(line)).isEqualTo(1);
    assertThat(err.toString())
        .isEqualTo(
            "error: xvdb of web1: failed: file:/b: No such file; file:/dev/vg0/web1 is the disk\n");
    assertThat(out.toString()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"swap web1 xvdb file:/b --wait", "job web1 xvdb --wait"})
  void withWaitItEndsWhenTheDiskIsSwitched(String line) {
    tell(Told.in("opening"), Told.in("copying"), Told.done());
    assertThat(run(line)).isZero();
    assertThat(out.toString())
        .isEqualTo(
            "xvdb of web1: opening file:/dev/vg1/web1\n"
                + "xvdb of web1: copying 41.3 of 96.0 GiB (43 %), 182 MiB/s, 5 min left\n"
                + "xvdb of web1: in sync, switched after 9 min 12 s; no write waited longer than 4"
                + " ms; the XML names file:/dev/vg1/web1 now\n");
    assertThat(err.toString()).isEmpty();
    assertThat(asked.get(2)).containsEntry("command", "job").containsEntry("action", "show");
  }

  @ParameterizedTest
  @CsvSource({
    "aborted, 5min, 'aborted: so it is; file:/dev/vg0/web1 is the disk'",
    "failed, 5min, 'failed: so it is; file:/dev/vg0/web1 is the disk'",
    "paused, 0s, 'paused at 41.3 of 96.0 GiB (43 %): so it is; nothing was gained for 0 ms.'"
  })
  void withWaitAnotherEndIsOne(String state, String patience, String words) {
    tell(Told.in("copying"), Told.in(state).with("reason", "so it is"));
    assertThat(run("swap web1 xvdb file:/b --wait --wait-timeout " + patience)).isEqualTo(1);
    assertThat(err.toString()).startsWith("error: xvdb of web1: " + words);
    assertThat(out.toString().lines()).hasSize(1);
  }

  @Test
  void withAManualPivotWaitEndsInSync() {
    tell(Told.in("copying").with("pivot", "manual"), Told.in("sync").with("pivot", "manual"));
    assertThat(run("swap web1 xvdb file:/b --pivot manual --wait")).isZero();
    assertThat(out.toString())
        .endsWith("in sync; 'netchannel job web1 xvdb --pivot' switches to file:/dev/vg1/web1\n");
  }

  /** Its pivot was manual, and somebody has said when. */
  @Test
  void pivotWaitsForTheSwitch() {
    tell(Told.in("sync").with("pivot", "manual"), Told.done().with("pivot", "manual"));
    assertThat(run("job web1 xvdb --pivot --wait")).isZero();
    assertThat(out.toString()).contains("switched after");
  }

  @Test
  void abortWaitsForTheAbort() {
    tell(Told.in("copying"), Told.in("aborted"));
    assertThat(run("job web1 xvdb --abort --wait")).isZero();
    assertThat(out.toString()).endsWith("aborted; file:/dev/vg0/web1 is the disk\n");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "swap web1 xvdb file:/b",
        "swap web1 xvdb file:/b --wait",
        "job web1 xvdb",
        "job web1 xvdb --wait",
        "job web1 xvdb --abort",
        "job web1 xvdb --pivot --wait"
      })
  void jsonIsWhatTheDaemonTells(String line) {
    Told told = Told.done().with("other", List.of(1L, "x")).with("throttled", true);
    tell(told);
    assertThat(run(line + " --format json")).isZero();
    assertThat(Json.parse(out.toString())).isEqualTo(told.json());
    assertThat(err.toString()).isEmpty();
  }

  @Test
  void jsonHasNoProgressInFrontOfIt() {
    Told last = Told.in("failed").with("reason", "they differ");
    tell(Told.in("copying"), Told.in("converging"), last);
    assertThat(run("swap web1 xvdb file:/b --wait --format json")).isEqualTo(1);
    assertThat(Json.parse(out.toString())).isEqualTo(last.json());
    assertThat(err.toString()).startsWith("error: xvdb of web1: failed: they differ");
  }

  private static Map<String, Object> mirror(String state, Object problem) {
    Map<String, Object> behind = new LinkedHashMap<>();
    behind.put("source", "netchannel://b/w");
    behind.put("upToDate", state.equals("sync"));
    behind.put("problem", problem);
    Map<String, Object> mirror = new LinkedHashMap<>();
    mirror.put("domain", "web1");
    mirror.put("uuid", "6b0f");
    mirror.put("target", "xvdb");
    mirror.put("state", state);
    mirror.put("mirror", "0707");
    mirror.put("leftBytes", 3L << 30);
    mirror.put("copiedBytes", 1L << 30);
    mirror.put("legs", List.of(Map.of("source", "netchannel://a/w", "upToDate", true), behind));
    return mirror;
  }

  private void tellMirrors(Map<?, ?>... mirrors) {
    synchronized (tells) {
      tells.add(Map.of("uuid", "6b0f", "target", "xvdb", "source", "mirror:a,b"));
      Arrays.stream(mirrors).map(List::of).forEach(tells::add);
    }
  }

  @Test
  void withWaitASecondLegIsWaitedForUntilItIsInSync() {
    Map<String, Object> another = mirror("degraded", "of another guest");
    another.put("uuid", "0000");
    tellMirrors(mirror("degraded", null), mirror("resync", null));
    synchronized (tells) {
      tells.add(List.of(another, mirror("sync", null)));
    }
    assertThat(run("mirror add web1 xvdb netchannel://b/w --wait")).isZero();
    assertThat(out.toString())
        .isEqualTo(
            """
            xvdb of web1: paused at 1.0 of 4.0 GiB (25 %)
            xvdb of web1: copying 1.0 of 4.0 GiB (25 %)
            xvdb of web1: in sync
            """);
    assertThat(asked.get(0)).containsEntry("action", "add");
    assertThat(asked.get(3)).containsEntry("command", "mirrors");
  }

  @Test
  void aSecondLegThatDoesNotGetOnIsNotWaitedForForEver() {
    tellMirrors(mirror("degraded", "connection refused"));
    assertThat(run("mirror add web1 xvdb netchannel://b/w --wait --wait-timeout 0s")).isEqualTo(1);
    assertThat(err.toString())
        .contains("connection refused; nothing was gained", "'netchannel mirror drop web1 xvdb'");
  }

  @Test
  void aSecondLegThatIsNotThereAnyMoreIsNotWaitedFor() {
    tellMirrors(mirror("resync", null));
    synchronized (tells) {
      tells.add(List.of());
    }
    assertThat(run("mirror add web1 xvdb netchannel://b/w --wait")).isEqualTo(1);
    assertThat(err.toString()).contains("xvdb has no second leg any more");
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aLegIsDroppedByItsName(boolean isNamed) {
    synchronized (tells) {
      tells.add(Map.of("source", "netchannel://a/w", "dropped", "netchannel://b/w"));
    }
    assertThat(run("mirror drop web1 xvdb" + (isNamed ? " netchannel://b/w" : ""))).isZero();
    Map<String, Object> expected = new LinkedHashMap<>();
    expected.put("command", "mirror");
    expected.put("action", "drop");
    expected.put("domain", "web1");
    expected.put("target", "xvdb");
    if (isNamed) {
      expected.put("source", "netchannel://b/w");
    }
    assertThat(request()).isEqualTo(expected);
    assertThat(out.toString())
        .isEqualTo(
            "xvdb of web1: is netchannel://a/w alone; netchannel://b/w is out of date from now"
                + " on\n");
  }

  @ParameterizedTest
  @CsvSource({
    "'', show",
    "--pivot, pivot",
    "--abort, abort",
    "--pause, pause",
    "--resume, resume",
    "--write-metadata, write-metadata",
    "--forget, forget"
  })
  void aJobIsToldOneThing(String option, String action) {
    tell(Told.in("copying"));
    assertThat(run(("job web1 xvdb " + option).strip())).isZero();
    assertThat(request())
        .isEqualTo(Map.of("command", "job", "domain", "web1", "target", "xvdb", "action", action));
    assertThat(out.toString()).startsWith("xvdb of web1: copying 41.3 of");
    assertThat(out.toString().lines().count() > 10).isEqualTo(action.equals("show"));
  }

  @ParameterizedTest
  @CsvSource({"20M, 20971520", "0, 0"})
  void aJobsBandwidthIsBytesPerSecond(String rate, long bytes) {
    tell(Told.in("copying"));
    assertThat(run("job web1 xvdb --bandwidth " + rate)).isZero();
    assertThat(request()).containsEntry("action", "bandwidth").containsEntry("bandwidth", bytes);
  }

  /** What is over stays over, and may be looked at and forgotten. */
  @ParameterizedTest
  @ValueSource(strings = {"job web1 xvdb", "job web1 xvdb --forget"})
  void aFailedJobCanBeLookedAt(String line) {
    tell(Told.in("failed").with("reason", "they differ"));
    assertThat(run(line)).isZero();
    assertThat(out.toString()).startsWith("xvdb of web1: failed: they differ");
  }

  @Test
  void jobsAreListedWithWhatIsWrong() {
    synchronized (tells) {
      tells.add(
          List.of(
              Told.in("copying").json(),
              Told.in("paused").with("target", "xvdc").with("reason", "no room").json(),
              Told.done()
                  .with("target", "xvdd")
                  .with("secondsLeft", null)
                  .with("rateBytesPerSecond", null)
                  .xml("waits", "written")
                  .with("metadataProblem", "live: no libvirtd")
                  .json(),
              Told.in("sync").with("target", "xvde").with("goesTo", "hostb").json(),
              Told.in("aborted").with("target", "xvdf").with("goesTo", "hostb").json()));
    }
    assertThat(run("jobs web1")).isZero();
    assertThat(request()).isEqualTo(Map.of("command", "jobs", "domain", "web1"));
    assertThat(out.toString())
        .containsPattern(" Domain +Target +State +Copied +Rate +Left +Started +Ended +New")
        .containsPattern(
            " web1 +xvdb +copying +41.3 of 96.0 GiB \\(43 %\\) +182 MiB/s +5 min +2026-\\S+ +-"
                + " +file:")
        .containsPattern(" web1 +xvdd +done +41.3 of 41.3 GiB \\(100 %\\) +- +- +2026")
        .contains("\nxvdc of web1: paused at 41.3 of 96.0 GiB (43 %): no room\n")
        .contains("\nxvdd of web1: in sync, switched after 9 min 12 s;", "yet", "live: no libvirtd")
        .contains(
            "\n"
                + "xvde of web1: in sync; 'netchannel migrate --with-storage web1 hostb' takes it"
                + " along, 'netchannel job web1 xvde --abort' ends it\n")
        .doesNotContain("\nxvdb of web1:", "\nxvdf of web1:");
    asked.clear();
    assertThat(run("jobs --format json")).isZero();
    assertThat(request()).isEqualTo(Map.of("command", "jobs"));
    assertThat(out.toString()).contains("\"metadataProblem\" : \"live: no libvirtd\"");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "no running domain \"web1\" on this host",
        "file:/b is smaller than the disk: expected 1073741824 bytes, found 4096",
        "xvdb of web1 is inherited: make it a disk of its own first"
      })
  void aRefusalIsOneAndASentence(String words) {
    refusal = Optional.of(words);
    for (String line :
        List.of(
            "swap web1 xvdb file:/b",
            "swap web1 xvdb file:/b --wait",
            "jobs web1",
            "job web1 xvdb",
            "job web1 xvdb --pivot --wait",
            "migrate web1 hostb --with-storage")) {
      err.getBuffer().setLength(0);
      assertThat(run(line)).as(line).isEqualTo(1);
      assertThat(err.toString()).isEqualTo("error: " + words + "\n");
    }
    assertThat(out.toString()).isEmpty();
  }

  /** One that has failed already; libvirt is not asked for anything. */
  @Test
  void migrateAsksForWhatItsOptionsSay() {
    Map<String, Object> failed =
        Told.in("aborted").with("reason", "the target is full").with("pivot", "manual").json();
    synchronized (tells) {
      tells.add(
          Map.of(
              "domain", "web1",
              "uuid", "6695eb01-f6a4-8304-79aa-97f2502e193f",
              "host", "hostb",
              "jobs", List.of(failed),
              "staying", List.of("xvdc is read-only")));
    }
    assertThat(
            run(
                "migrate web1 xen+tls://hostb/system --with-storage --pool fast --bandwidth 50M"
                    + " --format json"))
        .isEqualTo(1);
    assertThat(request())
        .isEqualTo(
            Map.of(
                "command", "migrate",
                "domain", "web1",
                "host", "hostb",
                "pool", "fast",
                "bandwidth", 50L << 20));
    assertThat(err.toString()).contains("aborted: the target is full");
    Map<String, Object> told = Json.parseObject(out.toString());
    assertThat(told)
        .containsEntry("domain", "web1")
        .containsEntry("host", "hostb")
        .containsEntry("moved", false)
        .containsEntry("staying", List.of("xvdc is read-only"));
  }

  @Test
  void withoutADaemonNothingIsWaitedFor() {
    endpoint.close();
    assertThat(run("swap web1 xvdb file:/b --wait")).isEqualTo(1);
    assertThat(err.toString()).startsWith("error: no daemon on this host");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "swap web1 xvdb | SOURCE",
        "swap web1 xvdb file:/b --bandwidth fast | expected bytes per second such as",
        "swap web1 xvdb file:/b --bandwidth 50 | expected bytes per second such as",
        "swap web1 xvdb file:/b --pivot soon | --pivot",
        "swap web1 xvdb file:/b --wait --wait-timeout 5 | expected a duration such as",
        "swap web1 xvdb file:/b --wait-timeout 5min | --wait-timeout is for --wait",
        "job web1 | TARGET",
        "job web1 xvdb --pivot --abort | mutually exclusive",
        "job web1 xvdb --pause --wait | not with --pause",
        "job web1 xvdb --forget --wait | not with --forget",
        "job web1 xvdb --wait-timeout 5min | --wait-timeout is for --wait",
        "jobs web1 web2 | web2",
        "migrate web1 | HOST",
        "migrate web1 hostb --pool fast | are for --with-storage",
        "migrate web1 hostb --bandwidth 5M | are for --with-storage",
        "migrate web1 hostb --wait-timeout 5s | are for --with-storage",
        "migrate web1 xen:///system --with-storage | expected a URI of another host's libvirt"
      })
  void misuseIsTwoAndAsksForNothing(String line, String words) {
    assertThat(run(line)).isEqualTo(2);
    assertThat(err.toString()).startsWith("error: ").contains(words, "--help");
    assertThat(asked).isEmpty();
  }
}
