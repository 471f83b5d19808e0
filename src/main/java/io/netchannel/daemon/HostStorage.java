package io.netchannel.daemon;

import io.netchannel.device.DeviceOpener;
import io.netchannel.device.remote.RemoteDevices;
import io.netchannel.device.remote.RemoteOptions;
import io.netchannel.tls.HostTls;
import io.netchannel.wire.Transport;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The devices that a host's guests can have, and the server of those that it exports. A guest on
 * the host that exports its disk uses that server without network: so it is opened before any
 * guest's disk, and closed after all.
 */
public final class HostStorage implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(HostStorage.class);

  /** Of sockets for remote disks, as client and as server: encryption is what they do most. */
  private static final int DEVICE_THREADS =
      Math.max(2, Math.min(Runtime.getRuntime().availableProcessors(), 8));

  /** What was opened; closed in the opposite order. */
  private final Deque<AutoCloseable> opened = new ArrayDeque<>();

  private DeviceOpener devices;
  private HostExports exports;

  private HostStorage() {}

  /**
   * Serves what the configuration and earlier commands export.
   *
   * @param tls this host's certificates; without them it neither uses nor has disks over the
   *     network
   */
  public static HostStorage open(DaemonConfiguration configuration, Optional<HostTls> tls)
      throws IOException {
    HostStorage storage = new HostStorage();
    try {
      storage.openAll(configuration, tls);
      return storage;
    } catch (IOException | RuntimeException e) {
      storage.close();
      throw e;
    }
  }

  private void openAll(DaemonConfiguration configuration, Optional<HostTls> tls)
      throws IOException {
    ExecutorService names = new PatientPool("resolve-%d");
    opened.push(names::shutdownNow);
    Transport transport = opened(new Transport("device-io", DEVICE_THREADS));
    ThisHost own =
        new ThisHost(
            configuration.name(),
            configuration.exports().listen().orElse(ExportSettings.EVERYWHERE));
    devices =
        opened(
            new DeviceOpener(
                true,
                new RemoteDevices(
                        transport,
                        names,
                        tls,
                        RemoteOptions.DEFAULT.withGiveUp(configuration.exports().giveUp()),
                        new Random(),
                        own)
                    .kinds()));
    exports = opened(new HostExports(configuration, devices, transport, tls, HostStorage::later));
    exports.port().ifPresent(own::listensAt);
  }

  private static void later(Duration delay, Runnable action) {
    CompletableFuture.delayedExecutor(delay.toMillis(), TimeUnit.MILLISECONDS).execute(action);
  }

  public DeviceOpener devices() {
    return devices;
  }

  /** What the command line asks about exports; all else is passed on. */
  public ControlEndpoint.Handler control(ControlEndpoint.Handler others) {
    return request -> {
      if (exports.knows(request)) {
        return exports.handle(request);
      }
      Object answer = others.handle(request);
      return "status".equals(request.get("command")) ? withMemory(answer) : answer;
    };
  }

  private Object withMemory(Object status) {
    Map<String, Object> all = new LinkedHashMap<>();
    if (status instanceof Map<?, ?> known) {
      known.forEach((name, value) -> all.put(String.valueOf(name), value));
    }
    all.put("serverMemory", MemoryJson.of(exports.memory()));
    return all;
  }

  private <T extends AutoCloseable> T opened(T part) {
    opened.push(part);
    return part;
  }

  /** Idempotent. */
  @Override
  public void close() {
    while (!opened.isEmpty()) {
      AutoCloseable part = opened.pop();
      try {
        part.close();
      } catch (Exception e) {
        log.warn("closing {}: {}", part.getClass().getSimpleName(), e.toString());
      }
    }
  }
}
