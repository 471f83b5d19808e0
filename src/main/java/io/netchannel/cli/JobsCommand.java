package io.netchannel.cli;

import io.netchannel.daemon.Json;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "jobs",
    mixinStandardHelpOptions = true,
    description = {
      "Lists the jobs that give disks of this host's guests other devices, newest first, also those"
          + " that are over: how far they are, and why they wait."
    })
final class JobsCommand implements Callable<Integer> {
  @Mixin private OutputOptions output;
  @Mixin private ControlOptions control;
  @Spec private CommandSpec spec;

  @Parameters(
      arity = "0..1",
      paramLabel = "DOMAIN",
      description = "Only of this domain: its name, id or UUID.")
  private String domain;

  @Override
  public Integer call() throws CommandFailedException {
    Map<String, Object> request = new TreeMap<>(Map.of("command", "jobs"));
    if (domain != null) {
      request.put("domain", domain);
    }
    List<Map<String, Object>> found = Json.objects(control.call(request));
    List<JobReport> jobs = new ArrayList<>();
    for (Map<String, Object> each : found) {
      jobs.add(new JobReport(each));
    }
    output.print(spec.commandLine().getOut(), found, out -> print(out, jobs));
    return 0;
  }

  private static void print(PrintWriter out, List<JobReport> jobs) {
    Table table =
        new Table("Domain", "Target", "State", "Copied", "Rate", "Left", "Started", "Ended", "New");
    for (JobReport job : jobs) {
      table.row(
          job.text("domain"),
          job.text("target"),
          job.text("state"),
          job.done(),
          job.rate(),
          job.timeLeft(),
          job.text("started"),
          job.text("ended"),
          job.text("new"));
    }
    table.print(out);
    for (JobReport job : jobs) {
      job.waitsForItsGuest()
          .or(() -> job.hasTrouble() ? Optional.of(job.line()) : Optional.empty())
          .ifPresent(words -> out.println("\n" + words));
    }
  }
}
