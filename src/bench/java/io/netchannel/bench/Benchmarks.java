package io.netchannel.bench;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collection;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.results.format.ResultFormatType;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.CommandLineOptionException;
import org.openjdk.jmh.runner.options.CommandLineOptions;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;

/**
 * Runs the benchmarks and prints a line for each: time and allocated bytes per operation.
 *
 * <p>Usage: {@code Benchmarks OUTPUT-DIRECTORY [option of JMH's command line]...}. The full results
 * are in {@code results.json} there, what JMH says meanwhile in {@code jmh.log}. By default all of
 * them run, for about three minutes.
 */
public final class Benchmarks {
  /** Two processes: one alone may be lucky or unlucky with what its compiler does. */
  private static final int FORKS = 2;

  private static final int WARMUP_ITERATIONS = 4;
  private static final int ITERATIONS = 5;
  private static final TimeValue ITERATION_TIME = TimeValue.milliseconds(500);

  /** Of {@link GCProfiler}: what all threads allocated, divided by the operations. */
  private static final String BYTES_PER_OPERATION = "gc.alloc.rate.norm";

  private Benchmarks() {}

  public static void main(String[] args)
      throws CommandLineOptionException, RunnerException, IOException {
    Path directory = Path.of(args[0]);
    CommandLineOptions given = new CommandLineOptions(Arrays.copyOfRange(args, 1, args.length));
    if (given.shouldHelp()) {
      given.showHelp();
      return;
    }
    if (given.shouldList()) {
      new Runner(given).list();
      return;
    }
    Files.createDirectories(directory);
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    out.printf("The benchmarks run; %s tells how far they are.%n", directory.resolve("jmh.log"));
    Collection<RunResult> results = new Runner(withDefaults(given, directory).build()).run();
    print(results, out);
  }

  private static ChainedOptionsBuilder withDefaults(CommandLineOptions given, Path directory) {
    ChainedOptionsBuilder options =
        new OptionsBuilder()
            .parent(given)
            .mode(Mode.AverageTime)
            .timeUnit(TimeUnit.NANOSECONDS)
            .addProfiler(GCProfiler.class)
            .shouldFailOnError(true);
    if (!given.getForkCount().hasValue()) {
      options.forks(FORKS);
    }
    if (!given.getWarmupIterations().hasValue()) {
      options.warmupIterations(WARMUP_ITERATIONS);
    }
    if (!given.getWarmupTime().hasValue()) {
      options.warmupTime(ITERATION_TIME);
    }
    if (!given.getMeasurementIterations().hasValue()) {
      options.measurementIterations(ITERATIONS);
    }
    if (!given.getMeasurementTime().hasValue()) {
      options.measurementTime(ITERATION_TIME);
    }
    if (!given.getOutput().hasValue()) {
      options.output(directory.resolve("jmh.log").toString());
    }
    if (!given.getResult().hasValue()) {
      options.resultFormat(ResultFormatType.JSON);
      options.result(directory.resolve("results.json").toString());
    }
    return options;
  }

  private static void print(Collection<RunResult> results, PrintStream out) {
    String row = "%-70s %12s %10s %10s%n";
    out.printf(Locale.ROOT, row, "benchmark", "ns/op", "+-", "B/op");
    for (RunResult result : results) {
      Result<?> time = result.getPrimaryResult();
      Result<?> bytes = result.getSecondaryResults().get(BYTES_PER_OPERATION);
      out.printf(
          Locale.ROOT,
          row,
          name(result.getParams()),
          "%.1f".formatted(time.getScore()),
          "%.1f".formatted(time.getScoreError()),
          bytes == null ? "?" : "%.1f".formatted(bytes.getScore()));
    }
  }

  /** "MidPointBenchmark.request depth=32 operation=READ". */
  private static String name(BenchmarkParams params) {
    String[] parts = params.getBenchmark().split("\\.", -1);
    String parameters =
        params.getParamsKeys().stream()
            .map(key -> " " + key + "=" + params.getParam(key))
            .collect(Collectors.joining());
    return parts[parts.length - 2] + "." + parts[parts.length - 1] + parameters;
  }
}
