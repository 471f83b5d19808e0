package io.netchannel.daemon;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import com.google.common.util.concurrent.ThreadFactoryBuilder;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceOpener;
import io.netchannel.server.Export;
import io.netchannel.server.ExportException;
import io.netchannel.server.ExportServer;
import io.netchannel.server.ExportStatus;
import io.netchannel.server.ServerLimits;
import io.netchannel.server.ServerParts;
import io.netchannel.tls.HostTls;
import io.netchannel.tls.TlsException;
import io.netchannel.wire.Transport;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Clock;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The device server of this host, with what the configuration exports and what was exported by
 * command. The latter is in files of its own, "NAME.export" in the server's directory: clients come
 * again after a restart.
 */
final class HostExports implements ControlEndpoint.Handler, AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(HostExports.class);

  private static final String SUFFIX = ".export";

  private final DaemonConfiguration configuration;
  private final DeviceOpener devices;
  private final ControlEndpoint.Handler others;
  private final Path directory;
  private final ExecutorService executor =
      Executors.newCachedThreadPool(
          new ThreadFactoryBuilder().setNameFormat("exports-%d").setDaemon(true).build());
  private final ExportServer server;

  /**
   * Serves from now on.
   *
   * @param tls empty when this host has no certificates: clients of this host only
   * @param others answers the commands that are not about exports
   */
  HostExports(
      DaemonConfiguration configuration,
      DeviceOpener devices,
      Transport transport,
      Optional<HostTls> tls,
      ControlEndpoint.Handler others)
      throws IOException {
    this.configuration = configuration;
    this.devices = devices;
    this.others = others;
    directory = configuration.stateDirectory().resolve("exports");
    server =
        new ExportServer(
            directory,
            transport,
            new ServerParts(
                devices, executor, Clock.systemUTC(), ServerParts.bootId(), ServerLimits.DEFAULT));
    try {
      addAll();
      server.listen(configuration.exportSocket());
      listen(tls);
    } catch (IOException | RuntimeException e) {
      close();
      throw e;
    }
  }

  /** One that cannot be served does not keep the others, and guests, waiting. */
  private void addAll() throws IOException {
    for (Export export : configuration.exports().exports()) {
      addOrLog(export);
    }
    try (DirectoryStream<Path> files = Files.newDirectoryStream(directory, "*" + SUFFIX)) {
      for (Path file : files) {
        try {
          addOrLog(read(file));
        } catch (IOException | IllegalArgumentException e) {
          log.error("{}: {}; export it again", file, e.getMessage());
        }
      }
    }
  }

  private void addOrLog(Export export) {
    try {
      add(export);
    } catch (ExportException e) {
      log.error("{}", e.getMessage());
    }
  }

  private void add(Export export) throws ExportException {
    try {
      devices.check(export.source());
    } catch (DeviceException e) {
      throw new ExportException(
          "export %s cannot be served: %s".formatted(export.name(), e.getMessage()), e);
    }
    server.add(export);
  }

  private void listen(Optional<HostTls> tls) throws IOException {
    if (configuration.exports().plain().isPresent()) {
      var plain = configuration.exports().plain().get();
      var unused = server.listenPlain(new InetSocketAddress(plain.getHost(), plain.getPort()));
    }
    if (configuration.exports().listen().isEmpty()) {
      return;
    }
    if (tls.isEmpty()) {
      log.error("no other host can use an export: this host's certificates cannot be used");
      return;
    }
    var address = configuration.exports().listen().get();
    try {
      var unused =
          server.listen(new InetSocketAddress(address.getHost(), address.getPort()), tls.get());
    } catch (TlsException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  // ---- commands

  @Override
  public Object handle(Map<String, Object> request) throws ControlException {
    try {
      return switch (String.valueOf(request.get("command"))) {
        case "exports" -> server.exports().stream().map(HostExports::describe).toList();
        case "export" -> export(request);
        case "unexport" -> unexport(request);
        case "release-export" -> {
          server.release(text(request, "name"), text(request, "client"));
          yield Map.of();
        }
        default -> others.handle(request);
      };
    } catch (ExportException | IllegalArgumentException e) {
      throw new ControlException(e.getMessage(), e);
    }
  }

  private Object export(Map<String, Object> request) throws ExportException, ControlException {
    Export export =
        new Export(
            text(request, "name"),
            text(request, "source"),
            Boolean.TRUE.equals(request.get("readOnly")),
            names(request.get("allow")));
    add(export);
    try {
      write(export);
    } catch (IOException e) {
      server.remove(export.name(), true);
      throw new ExportException(
          "export %s cannot be stored: %s".formatted(export.name(), e.getMessage()), e);
    }
    return describe(new ExportStatus(export, ImmutableList.of()));
  }

  private Object unexport(Map<String, Object> request) throws ExportException, ControlException {
    String name = text(request, "name");
    boolean configured =
        configuration.exports().exports().stream().anyMatch(each -> each.name().equals(name));
    server.remove(name, Boolean.TRUE.equals(request.get("force")));
    try {
      Files.deleteIfExists(directory.resolve(name + SUFFIX));
    } catch (IOException e) {
      throw new ExportException(
          "export %s is gone and comes back with the next start: %s".formatted(name, e), e);
    }
    return Map.of("name", name, "configured", configured);
  }

  private static Map<String, Object> describe(ExportStatus status) {
    Export export = status.export();
    Map<String, Object> described = new LinkedHashMap<>();
    described.put("name", export.name());
    described.put("source", export.source());
    described.put("mode", export.readOnly() ? "ro" : "rw");
    described.put("allow", export.allow().asList());
    described.put("clients", status.clients().stream().map(HostExports::describe).toList());
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

  // ---- exports by command

  private void write(Export export) throws IOException {
    Map<String, Object> content = new LinkedHashMap<>();
    content.put("source", export.source());
    content.put("readOnly", export.readOnly());
    content.put("allow", export.allow().asList());
    Path file = directory.resolve(export.name() + SUFFIX);
    Path fresh = directory.resolve(export.name() + SUFFIX + ".new");
    Files.writeString(fresh, Json.write(content));
    Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE);
  }

  private static Export read(Path file) throws IOException {
    Map<String, Object> content = Json.parseObject(Files.readString(file));
    String name = file.getFileName().toString();
    if (content.get("source") instanceof String source) {
      return new Export(
          name.substring(0, name.length() - SUFFIX.length()),
          source,
          Boolean.TRUE.equals(content.get("readOnly")),
          names(content.get("allow")));
    }
    throw new IllegalArgumentException("expected a source, found " + content);
  }

  private static ImmutableSet<String> names(Object list) {
    ImmutableSet.Builder<String> names = ImmutableSet.builder();
    if (list instanceof List<?> texts) {
      texts.forEach(text -> names.add(String.valueOf(text)));
    }
    return names.build();
  }

  private static String text(Map<String, Object> request, String name) throws ControlException {
    if (request.get(name) instanceof String value) {
      return value;
    }
    throw new ControlException("the request has no \"" + name + "\"");
  }

  @Override
  public void close() {
    server.close();
    executor.shutdown();
  }
}
