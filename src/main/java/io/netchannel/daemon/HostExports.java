package io.netchannel.daemon;

import com.google.common.collect.ImmutableSet;
import com.google.common.net.HostAndPort;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceOpener;
import io.netchannel.device.Storage;
import io.netchannel.device.file.FileStat;
import io.netchannel.device.memory.BufferBudget;
import io.netchannel.device.usb.UsbOpener;
import io.netchannel.server.Export;
import io.netchannel.server.ExportException;
import io.netchannel.server.ExportLeft;
import io.netchannel.server.ExportServer;
import io.netchannel.server.ExportStatus;
import io.netchannel.server.ExportUse;
import io.netchannel.server.ServerLimits;
import io.netchannel.server.ServerParts;
import io.netchannel.tls.HostTls;
import io.netchannel.tls.TlsException;
import io.netchannel.wire.Transport;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The device server of this host, with what the configuration exports and what was exported by
 * command. The latter is in {@link ExportFiles}.
 */
final class HostExports
    implements ControlEndpoint.Handler,
        VolumePools.Exports,
        MovedVolumes.Exports,
        DeviceOpener.ServedStorage,
        AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(HostExports.class);

  private static final String IS_CLAIMED =
      "export %s is being made or ended just now; try again in a moment";

  /** Somebody waits at a prompt; an export answers at once, unless its storage hangs. */
  private static final Duration ANSWER_BOUND = Duration.ofSeconds(3);

  /**
   * Far more than requests take, and less than systemd waits before it kills the daemon
   * (TimeoutStopSec), which then could not say why.
   */
  private static final Duration CLOSE_BOUND = Duration.ofSeconds(10);

  private static final ImmutableSet<String> COMMANDS =
      ImmutableSet.of("exports", "export", "unexport", "release-export");

  private final DaemonConfiguration configuration;
  private final ExportChecks checks;
  private final Timer timer;
  private final BufferBudget buffers;
  private final ExportFiles files;
  private final ExecutorService executor = new PatientPool("exports-%d");
  private final ExportServer server;
  private final Optional<HostTls> tls;
  private final ThisHost own;

  /** The files that a pool has made, by their exports. Changes while the export is claimed only. */
  private final Map<String, FileStat.Birth> volumes = new ConcurrentHashMap<>();

  /** Exports that somebody makes, or ends, just now. */
  private final Set<String> claimed = ConcurrentHashMap.newKeySet();

  private final MovedVolumes movedVolumes;
  private volatile boolean closed;

  /**
   * Serves clients of this host from now on.
   *
   * @param usb opens USB devices
   * @param transport also has the connections of this process's own clients
   * @param tls empty when this host has no certificates: clients of this host only
   * @param own how other hosts reach it
   * @param timer bounds waits for storage that hangs
   */
  HostExports(
      DaemonConfiguration configuration,
      DeviceOpener devices,
      UsbOpener usb,
      Transport transport,
      Optional<HostTls> tls,
      ThisHost own,
      Timer timer)
      throws IOException {
    this.own = own;
    this.timer = timer;
    this.tls = tls;
    this.configuration = configuration;
    checks = new ExportChecks(devices, usb);
    Path directory = configuration.stateDirectory().resolve("exports");
    files = new ExportFiles(directory);
    buffers = new BufferBudget(configuration.memory().serverBytes());
    server =
        new ExportServer(
            directory,
            transport,
            new ServerParts(
                devices,
                usb,
                executor,
                Clock.systemUTC(),
                ServerParts.bootId(),
                ServerLimits.DEFAULT,
                buffers));
    movedVolumes =
        new MovedVolumes(
            configuration.pools(), this, directory, OpenFiles.SYSTEM, System::nanoTime);
    try {
      addAll();
      server.listenHere();
      server.listen(configuration.exportSocket());
      listenPlain();
      if (movedVolumes.isAsked()) {
        lookLater();
      }
    } catch (IOException | RuntimeException e) {
      close();
      throw e;
    }
  }

  /** At volumes that may go. */
  private void lookLater() {
    timer.after(
        MovedVolumes.LOOK,
        () -> {
          if (!closed) {
            executor.execute(this::look);
          }
        });
  }

  private void look() {
    try {
      movedVolumes.look();
    } catch (RuntimeException e) {
      log.error("looking after volumes failed, will be tried again", e);
    } finally {
      lookLater();
    }
  }

  /** One that cannot be served does not keep the others, and guests, waiting. */
  private void addAll() throws IOException {
    for (Export export : configuration.exports().exports()) {
      addOrLog(export);
    }
    files.each(
        stored -> {
          stored.volume().ifPresent(birth -> volumes.put(stored.export().name(), birth));
          addOrLog(stored.export());
        });
  }

  private void addOrLog(Export export) {
    try {
      add(export);
    } catch (ExportException e) {
      log.error("{}", e.getMessage());
    }
  }

  private void add(Export export) throws ExportException {
    checks.source(export);
    server.add(export);
  }

  private void listenPlain() throws IOException {
    if (configuration.exports().plain().isPresent()) {
      var plain = configuration.exports().plain().get();
      var unused = server.listenPlain(new InetSocketAddress(plain.getHost(), plain.getPort()));
    }
  }

  /**
   * Serves other hosts too from now on.
   *
   * @return the port; empty when they are not served
   */
  Optional<Integer> listenToOthers() throws IOException {
    if (configuration.exports().listen().isEmpty()) {
      return Optional.empty();
    }
    if (tls.isEmpty()) {
      log.error("no other host can use an export: this host's certificates cannot be used");
      return Optional.empty();
    }
    var address = configuration.exports().listen().get();
    try {
      return Optional.of(
          server.listen(new InetSocketAddress(address.getHost(), address.getPort()), tls.get()));
    } catch (TlsException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  /** Completes when the time has passed. */
  private CompletableFuture<Void> after(Duration bound) {
    CompletableFuture<Void> passed = new CompletableFuture<>();
    timer.after(bound, () -> passed.complete(null));
    return passed;
  }

  @Override
  public Optional<String> exportInUse(Storage storage) {
    return server.inUse(storage);
  }

  @Override
  public Optional<String> exportOf(Storage storage) {
    return server.exportsOf(storage, after(ANSWER_BOUND)).stream().findFirst();
  }

  // ---- commands

  /** What clients' requests have. */
  BufferBudget.Use memory() {
    return buffers.use();
  }

  /** Whether a command is about exports. */
  boolean knows(Map<String, Object> request) {
    return COMMANDS.contains(String.valueOf(request.get("command")));
  }

  @Override
  public Object handle(Map<String, Object> request) throws ControlException {
    String command = String.valueOf(request.get("command"));
    try {
      return switch (command) {
        case "exports" -> server.exports(after(ANSWER_BOUND)).stream().map(this::describe).toList();
        case "export" -> alone(request, this::export);
        case "unexport" -> alone(request, this::unexport);
        case "release-export" -> {
          if (Boolean.TRUE.equals(request.get("moved"))) {
            server.forgetMoved(text(request, "name"), text(request, "client"));
          } else {
            server.release(text(request, "name"), text(request, "client"));
          }
          yield Map.of();
        }
        default -> throw new ControlException("no command of exports: " + command);
      };
    } catch (ExportException | IllegalArgumentException e) {
      throw new ControlException(e.getMessage(), e);
    }
  }

  /** A command that makes or ends an export. */
  @FunctionalInterface
  private interface Command {
    Object run(Map<String, Object> request) throws ExportException, ControlException;
  }

  private Object alone(Map<String, Object> request, Command command)
      throws ExportException, ControlException {
    String name = text(request, "name");
    if (!claimVolume(name)) {
      throw new ControlException(IS_CLAIMED.formatted(name));
    }
    try {
      return command.run(request);
    } finally {
      releaseVolume(name);
    }
  }

  private Object export(Map<String, Object> request) throws ExportException, ControlException {
    Export export =
        new Export(
            ExportFiles.kind(request),
            text(request, "name"),
            text(request, "source"),
            Boolean.TRUE.equals(request.get("readOnly")),
            ExportFiles.names(request.get("allow")),
            Optional.empty());
    add(export);
    try {
      checks.look(export);
    } catch (ExportException e) {
      server.remove(export.name(), true);
      throw e;
    }
    write(export);
    return describe(ExportStatus.unused(export));
  }

  private Object unexport(Map<String, Object> request) throws ExportException, ControlException {
    String name = text(request, "name");
    boolean configured =
        configuration.exports().exports().stream().anyMatch(each -> each.name().equals(name));
    remove(name, Boolean.TRUE.equals(request.get("force")));
    return Map.of("name", name, "configured", configured);
  }

  private void remove(String name, boolean force) throws ExportException {
    server.remove(name, force);
    forget(name);
  }

  private void forget(String name) throws ExportException {
    volumes.remove(name);
    files.delete(name);
  }

  // ---- exports of volumes

  @Override
  public Optional<Export> find(String name) {
    return server.find(name);
  }

  @Override
  public ExportUse use(String name, String client) throws ExportException {
    return answer(name, server.use(name, client));
  }

  @Override
  public Optional<ExportLeft> left(String name) throws ExportException {
    return answer(name, server.left(name));
  }

  private <T> T answer(String name, CompletableFuture<T> asked) throws ExportException {
    CompletableFuture.anyOf(asked, after(ANSWER_BOUND)).join();
    if (!asked.isDone()) {
      throw new ExportException(
          "export %s: no answer within %d s, its storage hangs"
              .formatted(name, ANSWER_BOUND.toSeconds()));
    }
    return asked.join();
  }

  @Override
  public void addVolume(Export export) throws ExportException {
    add(export);
    write(export);
  }

  @Override
  public void madeVolume(Export export, FileStat.Birth birth) throws ExportException {
    store(export, Optional.of(birth));
    volumes.put(export.name(), birth);
  }

  @Override
  public boolean claimVolume(String name) {
    return claimed.add(name);
  }

  @Override
  public void releaseVolume(String name) {
    claimed.remove(name);
  }

  @Override
  public List<MovedVolumes.Volume> volumes() {
    return server.exports(after(ANSWER_BOUND)).stream()
        .flatMap(
            status ->
                Optional.ofNullable(volumes.get(status.export().name()))
                    .map(birth -> new MovedVolumes.Volume(status, birth))
                    .stream())
        .toList();
  }

  @Override
  public void deleteVolume(
      MovedVolumes.Volume volume, ExportLeft left, MovedVolumes.Deletion deletion)
      throws ExportException, IOException {
    Export export = volume.status().export();
    if (!claimVolume(export.name())) {
      throw new ExportException("its disk may be coming back");
    }
    try {
      if (!volume.birth().equals(volumes.get(export.name()))) {
        throw new ExportException("it is not the pool's any more");
      }
      server.removeIfLeft(export.name(), left);
      try {
        deletion.run();
      } catch (IOException | RuntimeException e) {
        server.add(export);
        throw e;
      }
      forget(export.name());
    } finally {
      releaseVolume(export.name());
    }
  }

  @Override
  public void usedByPath(Storage storage) throws DeviceException {
    if (volumes.isEmpty()) {
      return;
    }
    for (String name : server.exportsOf(storage, after(ANSWER_BOUND))) {
      if (volumes.containsKey(name)) {
        giveUp(name);
      }
    }
  }

  private void giveUp(String name) throws DeviceException {
    if (!claimVolume(name)) {
      throw new DeviceException(IS_CLAIMED.formatted(name));
    }
    try {
      Optional<Export> export = server.find(name).filter(known -> volumes.containsKey(name));
      if (export.isPresent()) {
        store(export.get(), Optional.empty());
        volumes.remove(name);
        log.warn(
            "export {}: a disk uses {} by its path: its pool does not delete it any more",
            name,
            export.get().source());
      }
    } catch (ExportException e) {
      throw new DeviceException(e.getMessage(), e);
    } finally {
      releaseVolume(name);
    }
  }

  @Override
  public String source(String name) {
    return own.source(name);
  }

  @Override
  public boolean isHere(HostAndPort address) {
    return own.isMeantBy(address);
  }

  @Override
  public void removeVolume(String name) throws ExportException {
    remove(name, false);
  }

  // ---- USB devices that stay

  /** The source by which all hosts reach a USB device that this one exports. */
  String usbSource(String name) {
    return own.source(ExportPlace.USB + name);
  }

  /** Those of this host, in order of their names. */
  List<ExportStatus> staying() {
    return server.exports(after(ANSWER_BOUND)).stream()
        .filter(status -> status.export().owner().isPresent())
        .toList();
  }

  /** Serves one from now on, in the place of the one of that name. Durable when it returns. */
  void addStaying(Export export) throws ExportException {
    Optional<Export> before = server.find(export.name());
    if (before.equals(Optional.of(export))) {
      return;
    }
    if (before.isPresent()) {
      endStaying(export.name());
    }
    add(export);
    write(export);
  }

  /** Ends one: with its generation nobody comes again. Nothing where there is none. */
  void endStaying(String name) throws ExportException {
    for (ExportStatus found : staying()) {
      if (found.export().name().equals(name)) {
        for (ExportStatus.Client client : found.clients()) {
          server.release(name, client.name());
        }
        remove(name, true);
      }
    }
  }

  private Map<String, Object> describe(ExportStatus status) {
    Export export = status.export();
    Map<String, Object> described = new LinkedHashMap<>();
    described.put("name", export.name());
    described.put(ExportFiles.KIND, MigrationJson.lowerCase(export.kind()));
    described.put("source", export.source());
    described.put("mode", export.readOnly() ? "ro" : "rw");
    described.put("allow", export.allow().asList());
    described.put("owner", export.owner().orElse(null));
    described.put(
        "clients",
        status.answers() ? status.clients().stream().map(HostExports::describe).toList() : null);
    described.put(
        "moved",
        status.answers() ? status.moved().stream().map(HostExports::describe).toList() : null);
    Optional<MovedVolumes.Fate> fate = movedVolumes.fate(export.name());
    described.put("deletedInSeconds", fate.map(each -> each.rest().toSeconds()).orElse(null));
    described.put("notDeleted", fate.flatMap(MovedVolumes.Fate::problem).orElse(null));
    described.put(
        "problem",
        status.answers()
            ? null
            : "no answer within %d s, its storage hangs: who uses it is not known"
                .formatted(ANSWER_BOUND.toSeconds()));
    return described;
  }

  private static Map<String, Object> describe(ExportStatus.Client client) {
    Map<String, Object> described = new LinkedHashMap<>();
    described.put("client", client.name());
    described.put("generation", client.generation());
    described.put("since", client.since().toString());
    described.put("address", client.address().orElse(null));
    described.put("running", client.running());
    return described;
  }

  private static Map<String, Object> describe(ExportStatus.Elsewhere moved) {
    Map<String, Object> described = new LinkedHashMap<>();
    described.put("client", moved.client());
    described.put("to", moved.to().orElse(null));
    described.put("since", moved.since().toString());
    described.put("partial", moved.partial());
    return described;
  }

  // ---- exports by command

  /** One that cannot be stored is none. */
  private void write(Export export) throws ExportException {
    try {
      store(export, Optional.empty());
    } catch (ExportException e) {
      server.remove(export.name(), true);
      throw e;
    }
  }

  private void store(Export export, Optional<FileStat.Birth> volume) throws ExportException {
    files.write(new ExportFiles.Stored(export, volume));
  }

  private static String text(Map<String, Object> request, String name) throws ControlException {
    if (request.get(name) instanceof String value) {
      return value;
    }
    throw new ControlException("the request has no \"" + name + "\"");
  }

  /** Within a bound, whatever the storage does. */
  @Override
  public void close() {
    closed = true;
    server.close(after(CLOSE_BOUND));
    executor.shutdown();
  }
}
