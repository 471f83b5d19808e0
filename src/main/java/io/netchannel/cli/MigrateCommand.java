package io.netchannel.cli;

import io.netchannel.daemon.Json;
import io.netchannel.libvirt.LibvirtEvents;
import io.netchannel.libvirt.LibvirtMigration;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "migrate",
    mixinStandardHelpOptions = true,
    description = {
      "Migrates a running guest, as 'virsh migrate --live' does.",
      "",
      "With --with-storage its disks go along: each disk of this host is copied to a volume in a"
          + " [[pool]] of HOST first, and kept alike; then the guest migrates, and HOST goes on"
          + " with the volumes alone. Until then the guest has the disks it had, whatever fails.",
      "",
      "Ctrl-C before the guest is on its way ends it, and the copies.",
      "",
      "Exit status: 0 when the guest has moved, with --with-storage all of its disks with it; 1"
          + " when it has not, a disk could not come along, or a copy was paused by an error, or"
          + " HOST has not said which disks it has, for --wait-timeout; 2 for a command line that"
          + " cannot be understood."
    })
final class MigrateCommand implements Callable<Integer> {
  @Mixin private OutputOptions output;
  @Mixin private ControlOptions control;
  @Spec private CommandSpec spec;

  @Parameters(index = "0", paramLabel = "DOMAIN", description = "The domain's name, id or UUID.")
  private String domain;

  @Parameters(
      index = "1",
      paramLabel = "HOST",
      description =
          "The destination: a [[peer]] of this host, which libvirt reaches as xen+ssh://HOST/; or"
              + " the URI of its libvirt.")
  private String host;

  @Option(names = "--with-storage", description = "Take the disks of this host along.")
  private boolean withStorage;

  @Option(
      names = "--pool",
      paramLabel = "NAME",
      description =
          "With --with-storage: the pool of HOST that volumes are made in (default: the one in"
              + " which a disk follows its guest, else the only one).")
  private String pool;

  @Option(
      names = "--bandwidth",
      paramLabel = "RATE",
      converter = RateConverter.class,
      description = "With --with-storage: copy at most so many bytes per second, such as 50M.")
  private Long bandwidth;

  @Option(
      names = "--wait-timeout",
      paramLabel = "DURATION",
      converter = WaitOptions.DurationConverter.class,
      description =
          "With --with-storage: how long a copy may be paused by an error, the daemon be away, or"
              + " HOST not say which disks it has (default: 5min).")
  private Duration patience;

  @Override
  public Integer call() throws CommandFailedException, InterruptedException {
    if (!withStorage && (pool != null || bandwidth != null || patience != null)) {
      throw new ParameterException(
          spec.commandLine(), "--pool, --bandwidth and --wait-timeout are for --with-storage");
    }
    ProgressLine line =
        output.isJson() ? ProgressLine.none() : ProgressLine.on(spec.commandLine().getOut());
    GuestMove move =
        new GuestMove(
            control::call,
            patience == null ? Duration.ofMinutes(5) : patience,
            line,
            System::nanoTime,
            time -> Thread.sleep(time.toMillis()));
    MoveInterrupt interrupt =
        MoveInterrupt.from(spec.commandLine().getErr(), line, control::call, domain);
    Prepared prepared;
    GuestMove.Ended ended;
    try {
      prepared = withStorage ? prepare() : new Prepared(domain, domain, List.of(), List.of());
      interrupt.copies(prepared.name(), prepared.jobs());
      ended = run(move, interrupt, prepared);
    } catch (CommandFailedException e) {
      line.leave();
      throw e;
    } finally {
      interrupt.close();
    }
    if (output.isJson()) {
      output.print(spec.commandLine().getOut(), json(prepared, ended), table -> {});
    }
    if (ended.problem().isPresent()) {
      line.leave();
      throw new CommandFailedException(ended.problem().get());
    }
    line.last("%s runs at %s%s".formatted(prepared.name(), host(), words(prepared, ended)));
    return 0;
  }

  /**
   * What the daemon has begun.
   *
   * @param id the domain, as libvirt finds it
   */
  private record Prepared(String name, String id, List<JobReport> jobs, List<String> staying) {}

  private Prepared prepare() throws CommandFailedException {
    Map<String, Object> request = new TreeMap<>();
    request.put("command", "migrate");
    request.put("domain", domain);
    request.put("host", host());
    request.put("pool", pool == null ? "" : pool);
    request.put("bandwidth", bandwidth == null ? 0L : bandwidth);
    Map<String, Object> told;
    try {
      told = Json.object(control.call(request));
    } catch (DaemonAwayException e) {
      throw new CommandFailedException(
          "%s; if it had begun copies they go on: 'netchannel jobs %s'"
              .formatted(e.getMessage(), domain),
          e);
    }
    List<JobReport> jobs = new ArrayList<>();
    for (Object job : list(told, "jobs")) {
      jobs.add(new JobReport(job));
    }
    return new Prepared(
        String.valueOf(told.get("domain")),
        String.valueOf(told.get("uuid")),
        jobs,
        list(told, "staying").stream().map(String::valueOf).toList());
  }

  private static List<?> list(Map<String, Object> told, String name) throws CommandFailedException {
    if (told.get(name) instanceof List<?> found) {
      return found;
    }
    throw new CommandFailedException(
        "the daemon does not tell \"%s\": is it of another version? 'systemctl restart netchanneld'"
            .formatted(name));
  }

  private GuestMove.Ended run(GuestMove move, MoveInterrupt interrupt, Prepared prepared)
      throws CommandFailedException, InterruptedException {
    LibvirtMigration libvirt = new LibvirtMigration(LibvirtEvents.DEFAULT_URI, uri());
    return move.run(
        prepared.name(),
        host(),
        prepared.jobs(),
        () -> {
          try {
            interrupt.moves();
            libvirt.run(prepared.id());
          } catch (IOException e) {
            throw new CommandFailedException(e.getMessage(), e);
          } finally {
            interrupt.moved();
          }
        });
  }

  /** ", with xvdb at netchannel://hostb/web1-xvdb". */
  private static String words(Prepared prepared, GuestMove.Ended ended) {
    List<String> words = new ArrayList<>();
    for (JobReport job : ended.jobs()) {
      words.add("%s at %s".formatted(job.text("target"), job.text("new")));
    }
    String along = words.isEmpty() ? "" : ", with " + String.join(", ", words);
    return prepared.staying().isEmpty()
        ? along
        : "%s; as before: %s".formatted(along, String.join(", ", prepared.staying()));
  }

  private Map<String, Object> json(Prepared prepared, GuestMove.Ended ended) {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("domain", prepared.name());
    json.put("host", host());
    json.put("moved", ended.moved());
    json.put("problem", ended.problem().orElse(null));
    json.put("jobs", ended.jobs().stream().map(JobReport::json).toList());
    json.put("staying", prepared.staying());
    return json;
  }

  private String host() {
    return uriHost().orElse(host);
  }

  private String uri() {
    return uriHost().isPresent() ? host : "xen+ssh://%s/".formatted(host);
  }

  /** Of a libvirt URI. */
  private Optional<String> uriHost() {
    if (!host.contains("://")) {
      return Optional.empty();
    }
    try {
      String found = URI.create(host).getHost();
      if (found != null) {
        return Optional.of(found);
      }
    } catch (IllegalArgumentException e) {
      throw new ParameterException(spec.commandLine(), "HOST: " + e.getMessage(), e);
    }
    throw new ParameterException(
        spec.commandLine(),
        "HOST: expected a URI of another host's libvirt, as xen+ssh://hostb/, found " + host);
  }
}
