package io.netchannel.cli;

import io.netchannel.daemon.DaemonConfiguration;
import io.netchannel.daemon.Json;
import io.netchannel.server.Export;
import io.netchannel.text.PathText;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Stream;

/** Checks of this host: Xen, its libraries and services, libvirt with our hook, our directories. */
final class HostChecks {
  private static final List<String> LIBRARY_DIRECTORIES =
      List.of(
          "lib/x86_64-linux-gnu",
          "usr/lib/x86_64-linux-gnu",
          "usr/lib64",
          "usr/lib",
          "usr/local/lib");

  /** By library, the Debian package that has it. */
  private static final Map<String, String> LIBRARIES =
      Map.of(
          "libxenstore.so.4", "libxenstore4",
          "libxengnttab.so.1", "libxengnttab1",
          "libxenevtchn.so.1", "libxenevtchn1");

  private final Path root;
  private final Consumer<Finding> report;

  /**
   * Checks of a host.
   *
   * @param root "/", or a tree that looks like it
   */
  HostChecks(Path root, Consumer<Finding> report) {
    this.root = root;
    this.report = report;
  }

  /** All that a host with guests needs, and one without does not. */
  void servesGuests() {
    xen();
    services();
    hook();
    netcat();
  }

  void xen() {
    String capabilities = text("proc/xen/capabilities").orElse("");
    if (capabilities.contains("control_d")) {
      report.accept(Finding.ok("Xen", "this is the control domain"));
    } else {
      report.accept(
          Finding.fail(
              "Xen",
              "/proc/xen/capabilities does not say control_d: boot this host under Xen (package"
                  + " xen-system-amd64) and mount xenfs"));
    }
    device("dev/xen/gntdev", "modprobe xen-gntdev");
    device("dev/xen/evtchn", "modprobe xen-evtchn");
    LIBRARIES.forEach(this::library);
    optionalLibrary(
        "libxencall.so.1",
        "libxencall1",
        "without it nobody tells when a domain suspends, and migrations are slower");
    optionalLibrary(
        "libxenforeignmemory.so.1",
        "libxenforeignmemory1",
        "without it a guest with a USB port migrates only with the USB driver of Netchannel's guest"
            + " package");
  }

  private void services() {
    connects(
        "xenstored",
        List.of("run/xenstored/socket", "var/run/xenstored/socket"),
        "systemctl start xenstored (or xen.service)");
    connects(
        "libvirtd",
        List.of("run/libvirt/libvirt-sock", "run/libvirt/virtxend-sock"),
        "systemctl start libvirtd");
  }

  /** libvirtd looks for hooks when it starts, and never again. */
  private void hook() {
    Path hook = root.resolve("etc/libvirt/hooks/libxl.d/50-netchannel");
    if (!Files.isExecutable(hook)) {
      report.accept(
          Finding.fail(
              "libvirt hook",
              hook
                  + (Files.exists(hook) ? " is not executable" : " is missing")
                  + ": run xen-hooks/install and restart libvirtd"));
      return;
    }
    Optional<Instant> started =
        text("run/libvirtd.pid").or(() -> text("run/virtxend.pid")).flatMap(HostChecks::startOf);
    try {
      Instant installed = ((FileTime) Files.getAttribute(hook, "unix:ctime")).toInstant();
      if (started.isPresent() && started.get().isBefore(installed)) {
        report.accept(
            Finding.warn(
                "libvirt hook",
                "libvirtd runs since %s, the hook was installed or changed at %s: if it was not there before, restart libvirtd"
                    .formatted(started.get(), installed)));
      } else {
        report.accept(Finding.ok("libvirt hook", hook + ", libvirtd knows it"));
      }
    } catch (IOException | UnsupportedOperationException | IllegalArgumentException e) {
      report.accept(Finding.warn("libvirt hook", "its age is not known: " + e.getMessage()));
    }
  }

  /** The hook asks the daemon through it. Others of that name know no Unix sockets. */
  void netcat() {
    report.accept(
        new NetcatCheck(root)
            .problem()
            .map(problem -> Finding.fail("nc", problem + ": apt-get install netcat-openbsd"))
            .orElseGet(() -> Finding.ok("nc", "knows what the libvirt hook needs")));
  }

  void directories(DaemonConfiguration configuration) {
    directory("run directory", configuration.runDirectory(), true);
    directory("state directory", configuration.stateDirectory(), false);
    configuration.traceDirectory().ifPresent(trace -> directory("trace directory", trace, false));
  }

  void daemon(DaemonConfiguration configuration) {
    try {
      Map<String, Object> pong =
          Json.object(
              new ControlClient(configuration.controlSocket()).call(Map.of("command", "ping")));
      report.accept(Finding.ok("daemon", "runs, version " + pong.get("version")));
    } catch (CommandFailedException | IllegalArgumentException e) {
      report.accept(Finding.fail("daemon", e.getMessage()));
    }
  }

  /** What this host exports, and whether its devices are there. */
  void exports(DaemonConfiguration configuration) {
    for (Export export : configuration.exports().exports()) {
      String name = "export " + export.name();
      Optional<String> problem = missing(export.source());
      if (problem.isPresent()) {
        report.accept(Finding.fail(name, problem.get() + ": correct it in [[export]]"));
      } else if (export.allow().isEmpty()) {
        report.accept(
            Finding.warn(
                name, "for this host only: for others add allow = [\"hostb\"] to its [[export]]"));
      } else {
        report.accept(Finding.ok(name, export.source() + " for " + export.allow()));
      }
    }
  }

  private Optional<String> missing(String source) {
    String file = "file:/";
    if (!source.startsWith(file)) {
      return Optional.empty();
    }
    try {
      boolean there = Files.exists(root.resolve(PathText.parse(source.substring(file.length()))));
      return there ? Optional.empty() : Optional.of(source + " does not exist");
    } catch (IllegalArgumentException e) {
      return Optional.of(e.getMessage());
    }
  }

  /** Certificates are valid from when to when: a host whose clock is off trusts nobody. */
  void clock() {
    if (Files.exists(root.resolve("run/systemd/timesync/synchronized"))
        || Files.exists(root.resolve("run/chrony/chronyd.pid"))
        || Files.exists(root.resolve("run/ntpd.pid"))) {
      report.accept(Finding.ok("clock", "kept by a time service: " + Instant.now()));
    } else {
      report.accept(
          Finding.warn(
              "clock",
              "no time service seems to keep it (now %s): timedatectl set-ntp true"
                  .formatted(Instant.now())));
    }
  }

  private void device(String name, String remedy) {
    Path file = root.resolve(name);
    report.accept(
        Files.exists(file)
            ? Finding.ok("device file", file.toString())
            : Finding.fail("device file", file + " is missing: " + remedy));
  }

  private void library(String name, String debianPackage) {
    report.accept(
        installed(name)
            .map(file -> Finding.ok("library", file.toString()))
            .orElseGet(() -> Finding.fail("library", missing(name, debianPackage))));
  }

  private void optionalLibrary(String name, String debianPackage, String consequence) {
    report.accept(
        installed(name)
            .map(file -> Finding.ok("library", file.toString()))
            .orElseGet(
                () -> Finding.warn("library", missing(name, debianPackage) + "; " + consequence)));
  }

  private Optional<Path> installed(String library) {
    return LIBRARY_DIRECTORIES.stream()
        .map(directory -> root.resolve(directory).resolve(library))
        .filter(Files::exists)
        .findFirst();
  }

  private static String missing(String library, String debianPackage) {
    return library + " is missing: apt-get install " + debianPackage;
  }

  private void connects(String service, List<String> sockets, String remedy) {
    String problem = "none of its sockets is there: " + sockets;
    for (String name : sockets) {
      Path socket = root.resolve(name);
      if (!Files.exists(socket)) {
        continue;
      }
      try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
        channel.connect(UnixDomainSocketAddress.of(socket));
        report.accept(Finding.ok(service, "answers at " + socket));
        return;
      } catch (IOException e) {
        problem = socket + ": " + e.getMessage();
      }
    }
    report.accept(Finding.fail(service, problem + ": " + remedy));
  }

  private void directory(String what, Path directory, boolean volatileMemory) {
    if (!Files.isDirectory(directory) || !Files.isWritable(directory)) {
      report.accept(
          Finding.fail(
              what,
              "%s is %s: the daemon makes it when it starts, as root"
                  .formatted(directory, Files.exists(directory) ? "not writable" : "missing")));
      return;
    }
    try {
      String type = Files.getFileStore(directory).type();
      report.accept(
          type.equals("tmpfs") == volatileMemory
              ? Finding.ok(what, directory + " (" + type + ")")
              : Finding.warn(
                  what,
                  "%s is on %s: %s"
                      .formatted(
                          directory,
                          type,
                          volatileMemory
                              ? "it must be on tmpfs, requests in flight do not outlive the host"
                              : "it must outlive a reboot")));
    } catch (IOException e) {
      report.accept(Finding.warn(what, directory + ": " + e.getMessage()));
    }
  }

  private Optional<String> text(String name) {
    try {
      return Optional.of(Files.readString(root.resolve(name)).strip());
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  private static Optional<Instant> startOf(String pid) {
    return Stream.of(pid)
        .filter(text -> text.matches("\\d+"))
        .findFirst()
        .flatMap(text -> ProcessHandle.of(Long.parseLong(text)))
        .flatMap(process -> process.info().startInstant());
  }
}
