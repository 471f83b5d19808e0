package io.netchannel.device.usb.redir;

import com.google.common.net.HostAndPort;
import com.google.common.util.concurrent.Uninterruptibles;
import io.netchannel.device.ErrorLog;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.threads.LastResort;
import io.netchannel.time.Backoff;
import java.io.EOFException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The device at a usbredir peer, whichever that is at present. One thread has all of the connection
 * and of the session; other threads put what they want into its inbox.
 */
final class RedirDevice implements UsbDevice {
  private static final Logger log = LoggerFactory.getLogger(RedirDevice.class);

  /** Of each address that a peer has. */
  private static final long CONNECT_NANOS = TimeUnit.SECONDS.toNanos(10);

  private static final Duration FIRST_DELAY = Duration.ofMillis(200);
  private static final Duration LONGEST_DELAY = Duration.ofSeconds(10);

  private final HostAndPort address;
  private final LongSupplier nanoTime;
  private final Selector selector;
  private final ErrorLog errors;
  private final Backoff backoff;
  private final Thread thread;

  /** Guarded by itself, as is {@link #ended}. */
  private final Queue<Runnable> inbox = new ArrayDeque<>();

  private boolean ended;
  private volatile boolean closing;
  private volatile PortState port = PortState.EMPTY;
  private volatile PortListener listener = () -> {};
  private volatile Optional<String> problem = Optional.of("not connected yet");

  /** Of the connection that there is; the thread's own. */
  private Optional<RedirSession> session = Optional.empty();

  private RedirDevice(
      HostAndPort address, LongSupplier nanoTime, RandomGenerator random, Selector selector) {
    this.address = address;
    this.nanoTime = nanoTime;
    this.selector = selector;
    errors = new ErrorLog(log, nanoTime);
    backoff = Backoff.scattered(FIRST_DELAY, LONGEST_DELAY, random);
    thread = LastResort.vital("usbredir " + address, this::run);
  }

  /** Begins to connect; nothing is plugged until that is done. */
  static RedirDevice open(HostAndPort address, LongSupplier nanoTime, RandomGenerator random)
      throws IOException {
    RedirDevice device = new RedirDevice(address, nanoTime, random, Selector.open());
    device.thread.start();
    return device;
  }

  @Override
  public PortState port() {
    return port;
  }

  @Override
  public void listen(PortListener newListener) {
    listener = newListener;
    newListener.portChanged();
  }

  @Override
  public void submit(Urb urb, int incarnation, UrbCompletion completion) {
    Pending pending = new Pending(urb, completion);
    ask(
        () -> {
          Optional<PeerDevice> device = session.flatMap(RedirSession::device);
          if (device.isPresent() && incarnation == port.incarnation()) {
            device.get().submit(pending);
          } else {
            pending.end(UrbStatus.NO_DEVICE);
          }
        });
  }

  @Override
  public void unlink(Urb urb) {
    ask(() -> session.flatMap(RedirSession::device).ifPresent(device -> device.unlink(urb)));
  }

  @Override
  public CompletableFuture<UrbStatus> reset() {
    CompletableFuture<UrbStatus> done = new CompletableFuture<>();
    ask(
        () -> {
          Optional<PeerDevice> device = session.flatMap(RedirSession::device);
          device.ifPresent(PeerDevice::reset);
          done.complete(device.isPresent() ? UrbStatus.OK : UrbStatus.NO_DEVICE);
        });
    return done;
  }

  private void ask(Runnable work) {
    synchronized (inbox) {
      if (!ended) {
        inbox.add(work);
        selector.wakeup();
        return;
      }
    }
    // It is closed: all that is left of it is to say so, and that not within the call.
    ForkJoinPool.commonPool().execute(work);
  }

  @Override
  public Optional<String> problem() {
    return problem;
  }

  /** All URBs have ended with NO_DEVICE when it returns. */
  @Override
  public void close() {
    closing = true;
    selector.wakeup();
    Uninterruptibles.joinUninterruptibly(thread);
  }

  @Override
  public String toString() {
    return "usbredir://" + address;
  }

  private void run() {
    try (selector) {
      while (!closing) {
        try {
          serve();
        } catch (IOException | RedirException e) {
          problem = Optional.of("%s: %s".formatted(this, reason(e)));
          errors.report("the connection to " + this, reason(e));
        } finally {
          session.ifPresent(RedirSession::end);
          session = Optional.empty();
        }
        rest(backoff.next());
      }
    } catch (IOException e) {
      throw new IllegalStateException("a selector that fails", e);
    }
    synchronized (inbox) {
      ended = true;
    }
    runInbox();
  }

  private static String reason(Exception e) {
    return e.getMessage() == null ? e.toString() : e.getMessage();
  }

  private void rest(Duration delay) throws IOException {
    long end = nanoTime.getAsLong() + delay.toNanos();
    while (!closing && end - nanoTime.getAsLong() > 0) {
      select(OptionalLong.of(end));
      runInbox();
    }
  }

  private void select(OptionalLong untilNanos) throws IOException {
    if (untilNanos.isEmpty()) {
      selector.select();
      return;
    }
    long nanos = untilNanos.getAsLong() - nanoTime.getAsLong();
    if (nanos <= 0) {
      selector.selectNow();
    } else {
      // Rounded up: too early would only turn the loop once more.
      selector.select(TimeUnit.NANOSECONDS.toMillis(nanos) + 1);
    }
  }

  private void runInbox() {
    while (true) {
      Runnable work;
      synchronized (inbox) {
        work = inbox.poll();
      }
      if (work == null) {
        return;
      }
      work.run();
    }
  }

  private void serve() throws IOException, RedirException {
    try (SocketChannel channel = connect()) {
      if (closing) {
        return;
      }
      PacketReader reader = new PacketReader();
      PacketWriter writer = new PacketWriter();
      RedirSession served = new RedirSession(writer, reader::useWideIds, nanoTime, new PeersPort());
      session = Optional.of(served);
      problem = Optional.empty();
      SelectionKey key = channel.register(selector, SelectionKey.OP_READ);
      while (!closing) {
        writer.writeTo(channel);
        key.interestOps(
            SelectionKey.OP_READ | (writer.waitingBytes() > 0 ? SelectionKey.OP_WRITE : 0));
        select(served.nextNanos());
        runInbox();
        if (key.isReadable()) {
          read(channel, reader, served);
        }
        served.tick();
      }
    }
  }

  private static void read(SocketChannel channel, PacketReader reader, RedirSession session)
      throws IOException, RedirException {
    if (channel.read(reader.room()) < 0) {
      throw new EOFException("the peer has closed the connection");
    }
    Optional<Packet> packet = reader.next();
    while (packet.isPresent()) {
      session.received(packet.get());
      packet = reader.next();
    }
  }

  /** To the first of the peer's addresses that takes it; not connected when it is being closed. */
  private SocketChannel connect() throws IOException {
    IOException failure = new IOException("it has no address");
    for (InetAddress each : InetAddress.getAllByName(address.getHost())) {
      SocketChannel channel = SocketChannel.open();
      try {
        channel.configureBlocking(false);
        channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
        channel.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
        awaitConnected(channel, new InetSocketAddress(each, address.getPort()));
        return channel;
      } catch (IOException e) {
        failure = e;
        channel.close();
      }
    }
    throw failure;
  }

  private void awaitConnected(SocketChannel channel, InetSocketAddress to) throws IOException {
    long bound = nanoTime.getAsLong() + CONNECT_NANOS;
    boolean isConnected = channel.connect(to);
    SelectionKey key = channel.register(selector, SelectionKey.OP_CONNECT);
    while (!isConnected && !closing) {
      if (nanoTime.getAsLong() - bound >= 0) {
        throw new IOException(
            "%s does not answer within %d s"
                .formatted(to, TimeUnit.NANOSECONDS.toSeconds(CONNECT_NANOS)));
      }
      select(OptionalLong.of(bound));
      runInbox();
      isConnected = key.isConnectable() && channel.finishConnect();
    }
  }

  /** What the session tells, on the device's thread. */
  private final class PeersPort implements RedirSession.Port {
    @Override
    public void isPlugged(PortState.Plugged plugged) {
      boolean isNew = port.plugged().isEmpty();
      port = new PortState(port.incarnation() + (isNew ? 1 : 0), Optional.of(plugged));
      if (isNew) {
        backoff.reset();
        listener.portChanged();
      }
    }

    @Override
    public void unplugged() {
      port = new PortState(port.incarnation(), Optional.empty());
      listener.portChanged();
    }

    @Override
    public void lost(int endpoint) {
      errors.report(
          RedirDevice.this + " sends more than its guest reads",
          "a packet of endpoint 0x%02x is lost".formatted(endpoint));
    }
  }
}
