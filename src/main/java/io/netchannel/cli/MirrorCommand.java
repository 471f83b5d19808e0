package io.netchannel.cli;

import io.netchannel.daemon.Json;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "mirror",
    mixinStandardHelpOptions = true,
    description = "Changes a disk with two legs; see 'netchannel mirrors'.",
    synopsisSubcommandLabel = "ACTION",
    subcommands = {MirrorCommand.Add.class, MirrorCommand.Drop.class, MirrorCommand.ForceLeg.class})
final class MirrorCommand {
  @Command(
      name = "add",
      mixinStandardHelpOptions = true,
      description = {
        "Gives a disk of a running guest, which is an export, a second leg on another host. What is"
            + " there is overwritten with a copy of the disk; 'netchannel mirrors' shows how far it"
            + " is.",
        "",
        "Returns when copying has begun, with --wait when both legs are up to date. Exit status: 1"
            + " when that failed, or nothing was gained for --wait-timeout."
      })
  static final class Add implements Callable<Integer> {
    @Mixin private OutputOptions output;
    @Mixin private ControlOptions control;
    @Mixin private WaitOptions waiting;
    @Spec private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "DOMAIN", description = "The domain's name, id or UUID.")
    private String domain;

    @Parameters(index = "1", paramLabel = "TARGET", description = "The disk's name in the guest.")
    private String target;

    @Parameters(
        index = "2",
        paramLabel = "SOURCE",
        description = "The second leg: an export, as netchannel://HOST/NAME.")
    private String source;

    @Override
    public Integer call() throws CommandFailedException, InterruptedException {
      waiting.check(spec.commandLine());
      Map<String, Object> device =
          Json.object(
              control.call(
                  Map.of(
                      "command", "mirror",
                      "action", "add",
                      "domain", domain,
                      "target", target,
                      "source", source)));
      if (waiting.isAsked()) {
        MirrorProgress progress = new MirrorProgress(control::call, device);
        JobReport begun = new JobReport(progress.call(Map.of()));
        waiting.finish(spec.commandLine(), output, progress, begun, JobWait.Goal.IN_SYNC);
        return 0;
      }
      output.print(
          spec.commandLine().getOut(),
          device,
          out -> out.println("%s of %s: is being copied to %s".formatted(target, domain, source)));
      return 0;
    }
  }

  @Command(
      name = "drop",
      mixinStandardHelpOptions = true,
      description = {
        "Lets a disk with two legs of a running guest go on with one of them, which is up to date."
            + " The other one is out of date from then on, and starts no guest."
      })
  static final class Drop implements Callable<Integer> {
    @Mixin private OutputOptions output;
    @Mixin private ControlOptions control;
    @Spec private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "DOMAIN", description = "The domain's name, id or UUID.")
    private String domain;

    @Parameters(index = "1", paramLabel = "TARGET", description = "The disk's name in the guest.")
    private String target;

    @Parameters(
        index = "2",
        arity = "0..1",
        paramLabel = "LEG",
        description =
            "The leg that goes, as the domain's XML has it (default: the one that is not up to"
                + " date).")
    private Optional<String> leg = Optional.empty();

    @Override
    public Integer call() throws CommandFailedException {
      Map<String, Object> request = new LinkedHashMap<>();
      request.put("command", "mirror");
      request.put("action", "drop");
      request.put("domain", domain);
      request.put("target", target);
      leg.ifPresent(source -> request.put("source", source));
      Map<String, Object> device = Json.object(control.call(request));
      output.print(
          spec.commandLine().getOut(),
          device,
          out ->
              out.println(
                  "%s of %s: is %s alone; %s is out of date from now on"
                      .formatted(target, domain, device.get("source"), device.get("dropped"))));
      return 0;
    }
  }

  @Command(
      name = "force-leg",
      mixinStandardHelpOptions = true,
      description = {
        "Says that one leg is the disk, whatever the other one may know: the guest starts from it"
            + " alone, and the other one becomes a copy of it.",
        "",
        "For a start that was refused because which leg is up to date cannot be known, or because"
            + " the one that is up to date is lost. What only that one had is lost then, too.",
        "",
        "Refused while the guest uses one of the legs, on whatever host. Of a leg that cannot be"
            + " asked that is not known: then --runs-nowhere is needed, and has to be true."
      })
  static final class ForceLeg implements Callable<Integer> {
    @Mixin private OutputOptions output;
    @Mixin private ControlOptions control;
    @Spec private CommandSpec spec;

    @Parameters(
        index = "0",
        paramLabel = "DOMAIN",
        description = "The domain's UUID; or its name, while it waits for this disk here.")
    private String domain;

    @Parameters(index = "1", paramLabel = "TARGET", description = "The disk's name in the guest.")
    private String target;

    @Parameters(
        index = "2",
        paramLabel = "SOURCE",
        description = "The leg, as the domain's XML has it.")
    private String source;

    @Option(
        names = "--runs-nowhere",
        description =
            "Your word that the guest runs on no host, for an other leg that cannot be asked:"
                + " should it run with that one alone, all that it writes there is lost.")
    private boolean runsNowhere;

    @Override
    public Integer call() throws CommandFailedException {
      Map<String, Object> forced =
          Json.object(
              control.call(
                  Map.of(
                      "command",
                      "mirror",
                      "action",
                      "force-leg",
                      "domain",
                      domain,
                      "target",
                      target,
                      "source",
                      source,
                      "runsNowhere",
                      runsNowhere)));
      output.print(
          spec.commandLine().getOut(),
          forced,
          out ->
              out.println(
                  "%s of %s: the disk is %s from now on".formatted(target, domain, source)));
      return 0;
    }
  }
}
