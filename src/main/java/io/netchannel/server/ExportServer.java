package io.netchannel.server;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Storage;
import io.netchannel.device.legs.MirrorLedger;
import io.netchannel.device.legs.MirrorRecord;
import io.netchannel.files.DurableFile;
import io.netchannel.files.PrivateSocket;
import io.netchannel.files.UncertainFileException;
import io.netchannel.tls.HostTls;
import io.netchannel.tls.Strangers;
import io.netchannel.tls.TlsException;
import io.netchannel.wire.Attach;
import io.netchannel.wire.ExportKind;
import io.netchannel.wire.LegRecord;
import io.netchannel.wire.Refusal;
import io.netchannel.wire.Transport;
import io.netchannel.wire.WireException;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.unix.DomainSocketAddress;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslHandler;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Lets mid-points on other hosts use devices of this one. See the package. */
public final class ExportServer implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(ExportServer.class);

  /** An export's files end in another way. */
  private static final String WITNESSED = "witnessed.mirrors";

  private final Path directory;
  private final Transport transport;
  private final ServerParts parts;
  private final FileChannel lockFile;
  private final FileLock lock;
  private final Writers writers = new Writers();
  private final Clients clients = new Clients();

  /** Of mirrors for which this host is the witness. */
  private final MirrorLedger witnessed;

  private final Map<String, ServedExport> exports = new ConcurrentSkipListMap<>();
  private final Strangers strangers;
  private final Set<Places> places = ConcurrentHashMap.newKeySet();
  private final List<Channel> listeners = new CopyOnWriteArrayList<>();
  private final List<PrivateSocket> sockets = new CopyOnWriteArrayList<>();

  /**
   * A server without exports that does not listen yet.
   *
   * @param directory keeps the generations; made when it is not there
   * @param transport its threads; closed by who made it, after the server
   * @throws IOException when another server uses the directory, or it cannot be written
   */
  public ExportServer(Path directory, Transport transport, ServerParts parts) throws IOException {
    this.directory = directory;
    this.transport = transport;
    this.parts = parts;
    DurableFile.makeDirectory(directory);
    this.strangers = new Strangers(parts.limits().strangers());
    lockFile =
        FileChannel.open(
            directory.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    lock = lock(lockFile);
    witnessed = MirrorLedger.open(directory.resolve(WITNESSED), parts.executor());
  }

  /**
   * Also keeps the server's successor waiting until the kernel has finished what a killed server
   * had at its devices: the lock goes with the last of its threads.
   */
  private FileLock lock(FileChannel file) throws IOException {
    FileLock taken;
    try {
      taken = file.tryLock();
    } catch (OverlappingFileLockException e) {
      taken = null;
    }
    if (taken == null) {
      file.close();
      throw new IOException(
          "another device server uses %s, or one that was killed has requests at its storage still"
              .formatted(directory));
    }
    return taken;
  }

  // ---- where

  /**
   * Listens for clients of other hosts from now on.
   *
   * @return the port
   */
  public int listen(InetSocketAddress address, HostTls tls) throws IOException, TlsException {
    SslContext context;
    try {
      context = tls.forServer().build();
    } catch (SSLException e) {
      throw new TlsException("TLS: the server's certificate: " + e.getMessage(), e);
    }
    Places known = places();
    Channel listener =
        transport.listenAtDoor(
            address,
            new ChannelInitializer<Channel>() {
              @Override
              protected void initChannel(Channel channel) {
                SslHandler handshake = context.newHandler(channel.alloc());
                handshake.setHandshakeTimeoutMillis(
                    TimeUnit.SECONDS.toMillis(parts.limits().handshakeSeconds()));
                channel
                    .pipeline()
                    .addLast(handshake, new Door(strangers, known, transport, connection(false)));
                strangers.enter(channel);
              }
            });
    listeners.add(listener);
    int port = ((InetSocketAddress) listener.localAddress()).getPort();
    log.info("device server listens at {}", listener.localAddress());
    return port;
  }

  /** Listens for clients of this host, of which only root gets in, from now on. */
  public void listen(Path socket) throws IOException {
    sockets.add(
        PrivateSocket.bind(
            socket,
            path ->
                listeners.add(transport.listen(new DomainSocketAddress(path.toFile()), local()))));
    log.info("device server listens at {}", socket);
  }

  /** Listens for clients of this process that use the same transport, from now on. */
  public void listenHere() throws IOException {
    listeners.addAll(transport.listenHere(local()));
  }

  /**
   * Listens for clients of this host without TLS: whoever may run programs here gets in.
   *
   * @param address a loopback one
   * @return the port
   */
  public int listenPlain(InetSocketAddress address) throws IOException {
    if (!address.getAddress().isLoopbackAddress()) {
      throw new IOException(
          "expected a loopback address to listen at without TLS, found " + address);
    }
    Channel listener = transport.listen(address, local());
    listeners.add(listener);
    log.warn(
        "device server listens at {} without TLS, for all programs of this host",
        listener.localAddress());
    return ((InetSocketAddress) listener.localAddress()).getPort();
  }

  /** For one place where it listens: who comes there keeps nobody out who comes elsewhere. */
  private Places places() {
    Places some = new Places(parts.limits().connections());
    places.add(some);
    return some;
  }

  private ChannelHandler local() {
    Places here = places();
    return new ChannelInitializer<Channel>() {
      @Override
      protected void initChannel(Channel channel) {
        if (here.take(channel)) {
          channel.pipeline().addLast(connection(true));
        }
      }
    };
  }

  private Connection connection(boolean local) {
    return new Connection(clients, parts.limits(), local);
  }

  /** What clients come for. */
  private final class Clients implements Connection.Exports {
    @Override
    public void attach(Connection connection, Attach attach) {
      ExportServer.this.attach(connection, attach);
    }

    @Override
    public void record(Connection connection, LegRecord asked) throws WireException {
      Optional<MirrorRecord> told;
      try {
        told = asked.record().map(MirrorRecord::decode);
      } catch (IllegalArgumentException e) {
        throw new WireException("RECORD: " + e.getMessage());
      }
      if (asked.export().isEmpty()) {
        witness(connection, asked, told);
        return;
      }
      ServedExport export = exports.get(asked.export().get());
      if (export == null) {
        refuseUnknown(connection, asked.export().get());
      } else {
        export.record(connection, asked, told);
      }
    }
  }

  /** Of disks whose legs are elsewhere. Whoever has a certificate of ours may have one. */
  private void witness(Connection connection, LegRecord asked, Optional<MirrorRecord> told) {
    if (!connection.isLocal() && connection.names().isEmpty()) {
      connection.refuse(Refusal.DENIED, "witness: expected a client certificate, found none", 0);
      return;
    }
    CompletableFuture<Optional<String>> kept =
        asked.tells()
            ? witnessed.put(asked.client(), asked.generation(), told)
            : CompletableFuture.completedFuture(Optional.empty());
    var unused =
        kept.handle(
            (why, failure) -> {
              witnessed(connection, asked.client(), why, failure);
              return null;
            });
  }

  private void witnessed(
      Connection connection, String client, Optional<String> why, Throwable failure) {
    if (failure instanceof UncertainFileException) {
      log.warn("witness: {}", failure.getMessage());
      connection.close(); // it may be there: neither a refusal nor an answer
      return;
    }
    try {
      if (failure != null) {
        throw new IOException(failure.getMessage(), failure);
      }
      if (why.isPresent()) {
        connection.refuse(Refusal.UNAVAILABLE, why.get(), 0);
        return;
      }
      Optional<MirrorLedger.Entry> known = witnessed.get(client);
      connection.recorded(
          new LegRecord.Known(
              known.map(MirrorLedger.Entry::generation).orElse(0L),
              false,
              known.map(entry -> entry.record().encoded())));
    } catch (IOException e) {
      connection.refuse(
          Refusal.UNAVAILABLE, "the records of the legs cannot be used: " + e.getMessage(), 0);
    }
  }

  private void attach(Connection connection, Attach attach) {
    ServedExport export = exports.get(attach.export());
    if (export == null) {
      refuseUnknown(connection, attach.export());
    } else {
      export.attach(connection, attach);
    }
  }

  private static void refuseUnknown(Connection connection, String export) {
    connection.refuse(
        Refusal.UNKNOWN_EXPORT,
        "no export named %s here; `netchannel exports` lists them".formatted(export),
        0);
  }

  // ---- what

  /**
   * Adds an export; its device is opened when a client comes.
   *
   * @throws ExportException when there is one of that name, or its generations cannot be read
   */
  public void add(Export export) throws ExportException {
    GenerationStore generations;
    try {
      generations = GenerationStore.open(directory.resolve(export.name() + ".generations"));
    } catch (IOException e) {
      throw new ExportException(
          "export %s cannot be served: %s".formatted(export.name(), e.getMessage()), e);
    }
    ServedExport served =
        switch (export.kind()) {
          case DISK -> new DiskExport(export, generations, parts, writers);
          case USB -> new UsbExport(export, generations, parts);
        };
    if (exports.putIfAbsent(export.name(), served) != null) {
      throw new ExportException(
          "there is an export named %s; remove it first".formatted(export.name()));
    }
    log.info(
        "export {}: {}{}, for {}",
        export.name(),
        export.source(),
        export.readOnly() ? ", read-only" : "",
        export.allow());
  }

  /**
   * Removes an export.
   *
   * @param force also when a client holds it: its guest waits then until it is there again
   */
  public void remove(String name, boolean force) throws ExportException {
    ServedExport served = served(name);
    remove(served, served.remove(force));
  }

  /**
   * Removes an export that nobody needs.
   *
   * @param seen how it was found by {@link #left}; when it is not so any more it stays
   */
  public void removeIfLeft(String name, ExportLeft seen) throws ExportException {
    DiskExport served = disk(name);
    remove(served, served.removeIfLeft(seen));
  }

  private void remove(ServedExport served, CompletableFuture<Void> ended) throws ExportException {
    await(ended);
    exports.remove(served.export().name(), served);
    log.info("export {}: removed", served.export().name());
  }

  /**
   * Takes an export from a client that will not come back, as its host is gone for good. Should it
   * come back after all, it is refused: its guest gets errors until it is started again.
   */
  public void release(String name, String client) throws ExportException {
    await(served(name).release(client));
  }

  /**
   * Lets an export be the disk of a client again, as it is, although that disk was switched to
   * elsewhere and has gone on there.
   */
  public void forgetMoved(String name, String client) throws ExportException {
    await(disk(name).forgetMoved(client));
  }

  /**
   * In order of their names.
   *
   * @param enough when it completes, those that have not answered yet are not waited for any more
   */
  public ImmutableList<ExportStatus> exports(CompletableFuture<Void> enough) {
    Map<Export, CompletableFuture<ExportStatus>> asked = new LinkedHashMap<>();
    exports.values().forEach(served -> asked.put(served.export(), served.status()));
    CompletableFuture.anyOf(all(asked.values()), enough).join();
    return asked.entrySet().stream()
        .map(each -> each.getValue().getNow(ExportStatus.silent(each.getKey())))
        .collect(ImmutableList.toImmutableList());
  }

  /** One of that name. */
  public Optional<Export> find(String name) {
    return Optional.ofNullable(exports.get(name)).map(ServedExport::export);
  }

  /**
   * What an export is to a client.
   *
   * @return completes when its storage, if that hangs, lets it
   * @throws ExportException when there is none of that name
   */
  public CompletableFuture<ExportUse> use(String name, String client) throws ExportException {
    return disk(name).use(client);
  }

  /**
   * That nobody needs what is on an export; empty when somebody may.
   *
   * @return completes when its storage, if that hangs, lets it
   * @throws ExportException when there is none of that name
   */
  public CompletableFuture<Optional<ExportLeft>> left(String name) throws ExportException {
    return disk(name).left();
  }

  /**
   * The export by which a client may write to a storage at present, also while it is not connected.
   */
  public Optional<String> inUse(Storage storage) {
    return storage.identity().flatMap(writers::of);
  }

  /**
   * The exports by which clients may come to write to a storage, whether they are used or not.
   * Waits for the storage of the exports.
   *
   * @param enough when it completes, those that have not answered yet are not waited for any more:
   *     it is not the one of a hanging export, if it does not hang itself
   */
  public ImmutableList<String> exportsOf(Storage storage, CompletableFuture<Void> enough) {
    Map<String, CompletableFuture<Boolean>> asked = new LinkedHashMap<>();
    exports.forEach(
        (name, served) ->
            asked.put(
                name,
                CompletableFuture.supplyAsync(
                    () -> isToBeWritten(storage, served.export()), parts.executor())));
    CompletableFuture.anyOf(all(asked.values()), enough).join();
    return asked.entrySet().stream()
        .filter(each -> each.getValue().getNow(false))
        .map(Map.Entry::getKey)
        .collect(ImmutableList.toImmutableList());
  }

  private boolean isToBeWritten(Storage storage, Export export) {
    try {
      return export.kind() == ExportKind.DISK
          && !export.readOnly()
          && parts.devices().storage(export.source()).isSame(storage);
    } catch (DeviceException e) {
      return false; // it is not there at present
    }
  }

  private static CompletableFuture<Void> all(Collection<? extends CompletableFuture<?>> futures) {
    return CompletableFuture.allOf(futures.toArray(CompletableFuture[]::new));
  }

  private ServedExport served(String name) throws ExportException {
    ServedExport served = exports.get(name);
    if (served == null) {
      throw new ExportException(
          "no export named %s; there are: %s".formatted(name, String.join(", ", exports.keySet())));
    }
    return served;
  }

  private DiskExport disk(String name) throws ExportException {
    if (served(name) instanceof DiskExport disk) {
      return disk;
    }
    throw new ExportException("export %s is not a disk".formatted(name));
  }

  private static void await(CompletableFuture<Void> done) throws ExportException {
    try {
      done.join();
    } catch (CompletionException e) {
      if (e.getCause() instanceof ExportException known) {
        throw new ExportException(known.getMessage(), known);
      }
      throw new ExportException("failed: " + e.getCause(), e);
    }
  }

  /** Ends connections, waits for what is at the devices and closes them. */
  @Override
  public void close() {
    close(new CompletableFuture<>());
  }

  /**
   * Likewise.
   *
   * @param enough when it completes, what is still at a device is not waited for any more. It ends
   *     as that of a killed server does, so until then the directory stays locked
   */
  public void close(CompletableFuture<Void> enough) {
    for (PrivateSocket socket : sockets) {
      try {
        socket.close();
      } catch (IOException e) {
        log.warn("a socket of the device server stays behind: {}", e.toString());
      }
    }
    for (Channel listener : listeners) {
      listener.close().awaitUninterruptibly();
    }
    Map<ServedExport, CompletableFuture<Void>> closing = new LinkedHashMap<>();
    exports.values().forEach(export -> closing.put(export, export.close()));
    strangers.close();
    places.forEach(Places::close);
    CompletableFuture<Void> closed = all(closing.values());
    CompletableFuture.anyOf(closed, enough).join();
    closing.forEach(
        (export, done) -> {
          if (!done.isDone()) {
            log.error(
                "export {}: {} hangs and is not waited for any more; requests at it: {}, which end"
                    + " as those of a killed server",
                export.export().name(),
                export.export().source(),
                export.unfinished());
          }
        });
    var unused = closed.thenRun(this::unlock);
  }

  private void unlock() {
    try {
      lock.release();
      lockFile.close();
    } catch (IOException e) {
      log.warn("the lock of {} cannot be released: {}", directory, e.getMessage());
    }
  }
}
