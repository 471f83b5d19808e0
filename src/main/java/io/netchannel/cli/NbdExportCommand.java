package io.netchannel.cli;

import com.google.common.net.InetAddresses;
import io.netchannel.daemon.DaemonConfiguration;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceOpener;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.Storage;
import io.netchannel.device.nbd.NbdProtocol;
import io.netchannel.device.nbd.NbdUri;
import io.netchannel.server.nbd.NbdExport;
import io.netchannel.server.nbd.NbdServer;
import io.netchannel.wire.Stages;
import io.netchannel.wire.Transport;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "nbd-export",
    mixinStandardHelpOptions = true,
    description = {
      "Serves a device to NBD clients, in the foreground, until SIGINT or SIGTERM.",
      "",
      "Prints the URI of the export when it is ready. Any number of clients may use it at a time."
          + " There is no TLS and no password: a Unix socket is for its owner, a TCP port lets in"
          + " whoever reaches it.",
      "",
      "Exit status: 0 when it was told to end and all that was written is durable, else 1.",
    })
final class NbdExportCommand implements Callable<Integer> {
  /** A device of another host is opened within ten seconds, or not. */
  private static final Duration END_BOUND = Duration.ofSeconds(30);

  /** As qemu-nbd names them. */
  enum Cache {
    /** Through the page cache: a write is durable after a flush. */
    writeback,
    /** Past the page cache, where the file system can. */
    none
  }

  private static final class Place {
    @Option(
        names = {"-k", "--socket"},
        paramLabel = "PATH",
        description = "Listen on this Unix socket.")
    private Path socket;

    @ArgGroup(exclusive = false)
    private Tcp tcp;
  }

  private static final class Tcp {
    @Option(
        names = {"-p", "--port"},
        paramLabel = "PORT",
        defaultValue = "" + NbdProtocol.DEFAULT_PORT,
        description = "Listen on this TCP port; 0 finds a free one (default: ${DEFAULT-VALUE}).")
    private int port = NbdProtocol.DEFAULT_PORT;

    @Option(
        names = {"-b", "--bind"},
        paramLabel = "ADDRESS",
        defaultValue = "127.0.0.1",
        description = "Listen on this address (default: ${DEFAULT-VALUE}: this host only).")
    private String bind = "127.0.0.1";
  }

  @Spec private CommandSpec spec;

  @ArgGroup(exclusive = true)
  private Place place;

  @Option(
      names = {"-r", "--read-only"},
      description = "Refuse writes.")
  private boolean readOnly;

  @Option(
      names = {"-x", "--export-name"},
      paramLabel = "NAME",
      defaultValue = "",
      description = "The name that clients ask for (default: none, the empty one).")
  private String exportName = "";

  @Option(
      names = {"-D", "--description"},
      paramLabel = "TEXT",
      defaultValue = "",
      description = "What clients are told of it.")
  private String description = "";

  @Option(
      names = "--cache",
      paramLabel = "MODE",
      defaultValue = "writeback",
      description = {
        "Of files: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}). With writeback, no other"
            + " host may write to the file meanwhile."
      })
  private Cache cache = Cache.writeback;

  @Option(
      names = {"-c", "--config"},
      paramLabel = "FILE",
      defaultValue = "/etc/netchannel/netchannel.toml",
      description = {
        "The daemon's configuration, for the certificates of netchannel:// sources (default:"
            + " ${DEFAULT-VALUE})."
      })
  private Path config = DaemonConfiguration.DEFAULT_FILE;

  private static final class Swap {
    @Option(
        names = "--swap-to",
        paramLabel = "TARGET",
        required = true,
        description =
            "Copy SOURCE to this device, then serve that one; clients notice nothing. What becomes"
                + " of it is told line by line.")
    private String target;

    @Option(
        names = "--swap-after",
        paramLabel = "SECONDS",
        defaultValue = "0",
        description = "Begin with that after so many seconds (default: at once).")
    private int afterSeconds;

    @Option(
        names = "--leg-timeout",
        paramLabel = "SECONDS",
        defaultValue = "5",
        description =
            "When TARGET has not answered for so long the copy pauses and is tried again; when"
                + " SOURCE has not, after the switch, nobody waits for it any more (default:"
                + " ${DEFAULT-VALUE}). Before the switch clients wait for SOURCE as ever.")
    private int legTimeoutSeconds;

    @Option(
        names = "--dest-is-zero",
        description = "All of TARGET reads as zeros: what is zero in SOURCE is left out.")
    private boolean targetIsZero;
  }

  @ArgGroup(exclusive = false)
  private Swap swap;

  @Parameters(
      paramLabel = "SOURCE",
      description =
          "What to serve: file:PATH, nbd://HOST/NAME, netchannel://HOST/NAME and so on, with"
              + " filters in front; a path from the root is a file.")
  private String source;

  @Override
  public Integer call() throws CommandFailedException, InterruptedException {
    ServedUntilTold served = new ServedUntilTold(readOnly, END_BOUND);
    // Before anything is held: a place at another host's server is given back at every moment.
    Thread ender = new Thread(() -> end(served), "shutdown");
    Runtime.getRuntime().addShutdownHook(ender);
    String text = asSource(source);
    try (RemoteSources remote = new RemoteSources(config);
        DeviceOpener devices = new DeviceOpener(cache == Cache.none, remote.kinds());
        Device device = swapping(devices, open(devices, text))) {
      served.opened(device);
      NbdExport export = new NbdExport(exportName, description, device, readOnly);
      try (Transport threads = new Transport("nbd", 1);
          NbdServer server = server(export, remote.transport(), threads)) {
        NbdUri uri = listen(server);
        served.listening(server);
        spec.commandLine().getOut().println(uri);
        spec.commandLine().getOut().flush();
        if (device instanceof ServedSwap swapping) {
          swapping.begin(Duration.ofSeconds(swap.afterSeconds));
        }
        served.serve();
      }
      return 0;
    } catch (DeviceException | IOException | IllegalArgumentException e) {
      failed(served, ender);
      throw new CommandFailedException(e.getMessage(), e);
    } catch (RuntimeException | Error e) {
      failed(served, ender);
      throw e;
    }
  }

  /** All has been given back. Does not return when the process is ending. */
  private static void failed(ServedUntilTold served, Thread ender) throws InterruptedException {
    served.failed();
    try {
      Runtime.getRuntime().removeShutdownHook(ender);
    } catch (IllegalStateException e) {
      served.serve(); // until the hook, which has waited for this, ends the process
    }
  }

  private Device open(DeviceOpener devices, String text) throws DeviceException {
    if (!readOnly) {
      devices.checkUnused(text);
    }
    return devices.open(text, OpenOptions.plain(readOnly));
  }

  /** A path from the root is a file. */
  private static String asSource(String text) {
    return text.startsWith("/") ? "file:" + text : text;
  }

  /** The device, or one that becomes the target meanwhile. */
  private Device swapping(DeviceOpener devices, Device device) throws DeviceException {
    if (swap == null) {
      return device;
    }
    Device target = null;
    try {
      if (swap.afterSeconds < 0) {
        throw new IllegalArgumentException(
            "--swap-after: expected 0 or more seconds, found " + swap.afterSeconds);
      }
      if (swap.legTimeoutSeconds < 1) {
        throw new IllegalArgumentException(
            "--leg-timeout: expected 1 or more seconds, found " + swap.legTimeoutSeconds);
      }
      String from = asSource(source);
      String text = asSource(swap.target);
      Storage storage = devices.storage(from);
      Storage next = devices.storage(text);
      if (devices.place(text).equals(devices.place(from)) || storage.isSame(next)) {
        throw new IllegalArgumentException(
            "--swap-to: expected another device than SOURCE, found the same one: " + text);
      }
      if (storage.mayBe(next)) {
        throw new IllegalArgumentException(
            "--swap-to: " + Storage.cannotBeTold(text, "another device than SOURCE"));
      }
      devices.checkUnused(text);
      target = devices.open(text, OpenOptions.plain(false));
      return ServedSwap.of(
          device,
          target,
          swap.targetIsZero,
          Duration.ofSeconds(swap.legTimeoutSeconds),
          spec.commandLine().getOut());
    } catch (DeviceException | RuntimeException e) {
      device.close();
      if (target != null) {
        target.close();
      }
      throw e;
    }
  }

  /** What another host serves comes and goes on an event loop, and so do its clients. */
  private static NbdServer server(NbdExport export, Optional<Transport> remote, Transport threads) {
    return new NbdServer(
        List.of(export), remote.orElse(threads), remote.isEmpty(), System::nanoTime);
  }

  private NbdUri listen(NbdServer server) throws IOException {
    if (place != null && place.socket != null) {
      Path socket = place.socket.toAbsolutePath().normalize();
      server.listen(socket);
      return NbdUri.unix(socket, exportName);
    }
    Tcp tcp = place == null || place.tcp == null ? new Tcp() : place.tcp;
    if (tcp.port < 0 || tcp.port > 0xffff) {
      throw new IllegalArgumentException("expected a port of 0 to 65535, found " + tcp.port);
    }
    InetAddress address = InetAddress.getByName(tcp.bind);
    int port = server.listen(new InetSocketAddress(address, tcp.port)).getPort();
    String host = address.isAnyLocalAddress() ? "localhost" : InetAddresses.toAddrString(address);
    return NbdUri.tcp(host, port, exportName);
  }

  /**
   * The exit status says whether all went well, as qemu-nbd's and nbdkit's do, and not that there
   * was a signal, as Java's own would.
   */
  private void end(ServedUntilTold served) {
    Optional<String> problem;
    try {
      problem = served.end(source);
    } catch (InterruptedException e) {
      problem = Optional.of("interrupted while it was ending");
    }
    if (problem.isPresent()) {
      PrintWriter err = spec.commandLine().getErr();
      err.println("error: " + problem.get());
      err.flush();
    }
    Stages.write();
    Runtime.getRuntime().halt(problem.isEmpty() ? 0 : Main.FAILURE);
  }
}
