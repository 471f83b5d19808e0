package io.netchannel.containers;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.github.dockerjava.api.DockerClient;
import com.github.dockerjava.api.model.Capability;
import com.github.dockerjava.api.model.ContainerNetwork;
import io.netchannel.daemon.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.testcontainers.containers.Container.ExecResult;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.containers.Network;
import org.testcontainers.containers.wait.strategy.Wait;
import org.testcontainers.images.builder.Transferable;
import org.testcontainers.utility.MountableFile;

/**
 * One host in a container, reached by its name from the others on its network. What is done to it
 * is undone by {@link #restore}.
 *
 * <pre>
 *   the host's power    kill, stop, start (its /run is empty then, its disk is not), pause, unpause
 *   its network         cut (nothing comes in any more, silently), heal, unplug, plug
 *   its daemon          stopDaemon, startDaemon, killDaemon (comes back by itself)
 *   its clock           shiftClock (of the daemon only)
 * </pre>
 */
public final class ContainerHost implements AutoCloseable {
  /** What is below the host. */
  public enum Xen {
    /** A control domain: the real xenstored, and nobody behind its grants and event channels. */
    FAKED,
    /** An ordinary machine. */
    NONE
  }

  /** What a command in the host did. */
  public record Result(int status, String out, String err) {}

  /** A daemon is ready within two seconds where nothing else runs. */
  private static final Duration START_BOUND = Duration.ofMinutes(2);

  private static final int STOP_SECONDS = 20;

  private final DockerClient docker = HostImage.docker();
  private final String name;
  private final Network network;
  private final Xen xen;
  private final GenericContainer<?> container;
  private final Path certificates;
  private final Path log;
  private boolean plugged = true;
  private boolean otherCertificates;
  private boolean cut;
  private boolean shifted;
  private boolean daemonStopped;

  /**
   * Not started yet.
   *
   * @param log where its log is left at the end
   */
  ContainerHost(
      String name, Network network, Xen xen, String configuration, Path certificates, Path log) {
    this.name = name;
    this.network = network;
    this.xen = xen;
    this.certificates = certificates;
    this.log = log;
    container =
        new GenericContainer<>(HostImage.name())
            .withNetwork(network)
            .withNetworkAliases(name)
            .withLabel(HostImage.LABEL, name)
            .withEnv("XEN", xen == Xen.NONE ? "none" : "fake")
            .withTmpFs(Map.of("/run", "rw,mode=755"))
            .withCreateContainerCmdModifier(
                command -> {
                  command.withHostName(name);
                  // For iptables in its own network.
                  command.getHostConfig().withCapAdd(Capability.NET_ADMIN);
                })
            .withCopyToContainer(Transferable.of(configuration), "/etc/netchannel/netchannel.toml")
            .withCopyFileToContainer(
                MountableFile.forHostPath(certificates.toAbsolutePath()), "/etc/pki")
            .waitingFor(Wait.forLogMessage(".*netchanneld .* is ready.*\\n", 1))
            .withStartupTimeout(START_BOUND);
  }

  /** Waits until its daemon is ready. */
  void boot() {
    container.start();
    if (xen == Xen.FAKED) {
      // What answers as xenstored is the program of Debian's package, unchanged.
      run(
          """
          program=$(readlink /proc/$(cat /run/xenstored/pid)/exe)
          test "$program" = /usr/lib/xen-4.17/bin/xenstored
          grep "  ${program#/}$" /var/lib/dpkg/info/xen-utils-4.17.md5sums >/tmp/xenstored.md5
          cd / && md5sum --check --quiet /tmp/xenstored.md5
          """);
    }
  }

  public String name() {
    return name;
  }

  // ---- commands and files

  /** Runs a command to its end, whatever its exit status. */
  public Result execute(String... command) {
    try {
      ExecResult result = container.execInContainer(UTF_8, command);
      return new Result(result.getExitCode(), result.getStdout(), result.getStderr());
    } catch (IOException e) {
      throw new AssertionError("%s: cannot run %s".formatted(name, List.of(command)), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted", e);
    }
  }

  /** Runs a script of sh that must succeed; returns what it wrote to stdout. */
  public String run(String script) {
    Result result = execute("sh", "-ec", script);
    assertThat(result.status()).as("%s: %s: %s", name, script, result).isZero();
    return result.out();
  }

  /** The netchannel command. */
  public Result netchannel(String... arguments) {
    String[] command = new String[arguments.length + 1];
    command[0] = "netchannel";
    System.arraycopy(arguments, 0, command, 1, arguments.length);
    return execute(command);
  }

  /** Asks the daemon itself, without a JVM for the command; the reply with "ok". */
  public Map<String, Object> ask(Map<String, Object> request) {
    String script = "printf '%s\\n' \"$1\" | nc -U -N /run/netchannel/control.sock";
    Result reply = execute("sh", "-c", script, "ask", Json.write(request));
    assertThat(reply.status()).as("%s: %s: %s", name, request, reply).isZero();
    return Json.parseObject(reply.out());
  }

  /** What {@code netchannel status} shows of one of the peers. */
  public Map<String, Object> peer(String peer) {
    Map<String, Object> reply = ask(Map.of("command", "status"));
    assertThat(reply).as("%s: status", name).containsEntry("ok", true);
    return Json.objects(Json.object(reply.get("result")).get("peers")).stream()
        .filter(found -> peer.equals(found.get("name")))
        .findFirst()
        .orElseThrow(() -> new AssertionError("%s has no peer %s".formatted(name, peer)));
  }

  /** For short texts; also below /run, where Docker's own copying does not reach. */
  public void write(String file, String text) {
    Result result = execute("sh", "-c", "printf %s \"$2\" >\"$1\"", "write", file, text);
    assertThat(result.status()).as("%s: %s", file, result).isZero();
  }

  /** Everything below a directory of this machine. */
  public void copy(Path directory, String target) {
    container.copyFileToContainer(MountableFile.forHostPath(directory.toAbsolutePath()), target);
  }

  /** All that the daemons of this host have said, and xenstored. */
  public String log() {
    return container.getLogs();
  }

  // ---- the host

  /** The power fails. */
  public void kill() {
    docker.killContainerCmd(id()).exec();
  }

  /** Shuts down in order. */
  public void stop() {
    docker.stopContainerCmd(id()).withTimeout(STOP_SECONDS).exec();
  }

  /** Boots after {@link #kill} or {@link #stop}; returns when the daemon is ready. */
  public void start() {
    docker.startContainerCmd(id()).exec();
    cut = false;
    shifted = false;
    daemonStopped = false;
    awaitDaemon();
  }

  /** Nothing runs any more, connections stay: what an overloaded or suspended machine does. */
  public void pause() {
    // On a busy machine the kernel may give up ("unable to freeze"); then it is asked again.
    Eventually.holds(
        () -> {
          if (!isPaused()) {
            docker.pauseContainerCmd(id()).exec();
          }
        });
  }

  private boolean isPaused() {
    return Boolean.TRUE.equals(docker.inspectContainerCmd(id()).exec().getState().getPaused());
  }

  public void unpause() {
    docker.unpauseContainerCmd(id()).exec();
  }

  // ---- its network

  /** From now on nothing that is sent to this host arrives, and nobody is told. */
  public void cut() {
    run("iptables -A INPUT ! -i lo -j DROP");
    cut = true;
  }

  public void heal() {
    run("iptables -F INPUT");
    cut = false;
  }

  /** Takes the network interface away. */
  public void unplug() {
    docker
        .disconnectFromNetworkCmd()
        .withNetworkId(network.getId())
        .withContainerId(id())
        .withForce(true)
        .exec();
    plugged = false;
  }

  /** Gives it an interface again, perhaps with another address. */
  public void plug() {
    docker
        .connectToNetworkCmd()
        .withNetworkId(network.getId())
        .withContainerId(id())
        .withContainerNetwork(new ContainerNetwork().withAliases(name))
        .exec();
    plugged = true;
  }

  // ---- its daemon

  /** Ends it in order; it stays away. */
  public void stopDaemon() {
    run("touch /run/netchanneld.off");
    daemonStopped = true;
    endDaemon("TERM");
  }

  public void startDaemon() {
    run("rm -f /run/netchanneld.off");
    daemonStopped = false;
    awaitDaemon();
  }

  /** Ends it as a crash does; it comes back by itself. Returns when the old one is gone. */
  public void killDaemon() {
    run("grep -q /usr/share/netchannel/netchannel.jar /proc/$(cat /run/netchanneld.pid)/cmdline");
    endDaemon("KILL");
  }

  /** In order, with a configuration that may have changed. */
  public void restartDaemon() {
    stopDaemon();
    startDaemon();
  }

  private void endDaemon(String signal) {
    run(
        """
        pid=$(cat /run/netchanneld.pid)
        kill -%s $pid
        timeout 30 sh -c "while kill -0 $pid 2>/dev/null; do sleep 0.1; done"
        """
            .formatted(signal));
  }

  /** Until the daemon answers commands. */
  public void awaitDaemon() {
    Eventually.holds(
        START_BOUND,
        () -> assertThat(ask(Map.of("command", "ping"))).as(name).containsEntry("ok", true));
  }

  /** Puts other certificates into /etc/pki, in libvirt's layout, and restarts the daemon. */
  public void certificates(Path directory) {
    copy(directory, "/etc/pki");
    otherCertificates = !directory.equals(certificates);
    restartDaemon();
  }

  /** What uses its exports: for each the client with generation, address and running requests. */
  public List<Map<String, Object>> exportClients(String export) {
    Map<String, Object> reply = ask(Map.of("command", "exports"));
    assertThat(reply).as("%s: exports", name).containsEntry("ok", true);
    return Json.objects(reply.get("result")).stream()
        .filter(each -> export.equals(each.get("name")))
        .flatMap(each -> Json.objects(each.get("clients")).stream())
        .toList();
  }

  // ---- its clock

  /**
   * Sets the daemon's clock off. The first time the daemon is restarted for it; from then on the
   * clock of the running daemon jumps, within two seconds.
   */
  public void shiftClock(Duration offset) {
    write("/run/clock.new", "%+d%n".formatted(offset.toSeconds()));
    run("mv /run/clock.new /run/clock");
    if (!shifted) {
      restartDaemon();
      shifted = true;
    }
  }

  // ----

  /** Undoes what a test has done to this host. */
  void restore() {
    var state = docker.inspectContainerCmd(id()).exec().getState();
    if (isPaused()) {
      unpause();
    }
    if (!plugged) {
      plug();
    }
    if (!Boolean.TRUE.equals(state.getRunning())) {
      start();
    }
    if (cut) {
      heal();
    }
    if (shifted) {
      run("rm -f /run/clock");
      shifted = false;
      restartDaemon();
    }
    if (otherCertificates) {
      certificates(certificates);
    }
    if (daemonStopped) {
      startDaemon();
    }
    awaitDaemon();
  }

  private String id() {
    return container.getContainerId();
  }

  @Override
  public String toString() {
    return name;
  }

  /** Leaves its log. */
  @Override
  public void close() {
    if (id() == null) {
      return;
    }
    try {
      Files.createDirectories(log.getParent());
      Files.writeString(log, log());
    } catch (IOException e) {
      throw new AssertionError("cannot write the log of " + name, e);
    } finally {
      container.stop();
    }
  }
}
