package io.netchannel.demo;

import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import io.netchannel.demo.report.ConsoleReport;
import io.netchannel.demo.report.DemoReport;
import io.netchannel.demo.report.HtmlReport;
import io.netchannel.demo.report.JsonReport;
import io.netchannel.demo.report.Verdict;
import io.netchannel.device.Devices;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.function.UnaryOperator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Netchannel's main job without Xen: two hosts on the embedded hypervisor, each with a whole
 * netchanneld, peers over mutual TLS; a guest with verified I/O that moves between them with
 * requests in flight; an abort. See {@link Scenes} for what happens.
 */
public final class Demo {
  private static final Logger log = LoggerFactory.getLogger(Demo.class);

  /** Short enough to be typed. */
  private static final long SEEDS = 1_000_000;

  private final PrintWriter out;
  private final Load load;
  private final boolean rehearse;
  private final UnaryOperator<Devices> wrapDevices;

  /**
   * The demo as the command runs it.
   *
   * @param seed of the guest's choices; random when empty
   * @param rehearse whether the code is warmed first
   */
  public Demo(PrintWriter out, OptionalLong seed, boolean rehearse) {
    this(
        out,
        Load.standard(seed.orElseGet(() -> new SecureRandom().nextLong(SEEDS))),
        rehearse,
        UnaryOperator.identity());
  }

  /**
   * A demo with another load.
   *
   * @param wrapDevices puts something around every device of both hosts
   */
  Demo(PrintWriter out, Load load, boolean rehearse, UnaryOperator<Devices> wrapDevices) {
    this.out = out;
    this.load = load;
    this.rehearse = rehearse;
    this.wrapDevices = wrapDevices;
  }

  /**
   * Runs all scenes and writes {@code report.html} and {@code report.json} to {@code output}, with
   * the mid-points' traces.
   *
   * @return the exit code: 0 when every verdict holds, else 1
   * @throws IOException when the files cannot be written
   */
  public int run(Path output) throws IOException {
    DemoReport report = report(output);
    ConsoleReport console = new ConsoleReport(out);
    console.verdicts(report);
    Files.writeString(output.resolve("report.html"), HtmlReport.of(report));
    Files.writeString(output.resolve("report.json"), JsonReport.of(report));
    out.println();
    out.printf(
        "%s in %.1f s; report: %s%n",
        report.holds() ? "All verdicts hold" : "FAILED",
        report.took().toMillis() / 1000.0,
        output.resolve("report.html"));
    out.flush();
    return report.holds() ? 0 : 1;
  }

  private DemoReport report(Path output) throws IOException {
    Clock clock = Clock.systemUTC();
    Instant begun = clock.instant();
    Files.createDirectories(output);
    // Sockets have short paths (108 bytes), so they are not under the output.
    Path scratch = Files.createTempDirectory("netchannel-demo");
    List<Verdict> broken = new ArrayList<>();
    Scenes scenes = null;
    try {
      scenes = Scenes.set(scratch, output, load, wrapDevices, clock, out);
      if (rehearse) {
        scenes.rehearse();
      }
      scenes.play();
    } catch (Exception e) {
      broken.add(new Verdict("every scene was played to its end", false, words(e)));
      log.error("a scene broke off", e);
    } finally {
      if (scenes != null) {
        close(scenes, broken);
      }
    }
    List<Verdict> verdicts = new ArrayList<>(broken);
    if (scenes != null) {
      verdicts.addAll(scenes.verdicts());
    }
    MoreFiles.deleteRecursively(scratch, RecursiveDeleteOption.ALLOW_INSECURE);
    String version = Demo.class.getPackage().getImplementationVersion();
    return new DemoReport(
        begun,
        Duration.between(begun, clock.instant()),
        version == null ? "built from source" : version,
        load.seed(),
        scenes == null ? Map.of() : scenes.figures(),
        scenes == null ? List.of() : scenes.migrations(),
        verdicts);
  }

  private static void close(Scenes scenes, List<Verdict> broken) {
    try {
      scenes.close();
    } catch (IOException | RuntimeException e) {
      broken.add(new Verdict("both hosts end in order", false, words(e)));
    }
  }

  private static String words(Exception e) {
    return e.getMessage() == null ? e.toString() : e.getMessage();
  }
}
