package io.netchannel.device.nbd;

import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.ErrorLog;
import io.netchannel.device.Outcome;
import io.netchannel.threads.LastResort;
import java.io.IOException;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An export of any NBD server. See the package for its states, and for when a lost connection costs
 * nothing but time.
 *
 * <p>Any number of requests is under way at a time. {@link #close} must not be called from a
 * completion: it waits for them.
 */
public final class NbdDevice implements Device {
  private static final Logger log = LoggerFactory.getLogger(NbdDevice.class);

  /** To reach a server and agree on an export: a slow network and a busy server, not a dead one. */
  private static final Duration CONNECT_BOUND = Duration.ofSeconds(10);

  private final NbdUri uri;
  private final ExportInfo info;

  /** Whether it was asked to make zeros: then a server that comes back has to be able to. */
  private volatile boolean hasZeroed;

  private final DeviceGeometry geometry;
  private final LongSupplier nanoTime;
  private final ErrorLog errors;
  private final Reconnection reconnection;
  private final Thread thread;

  /** What is outstanding; also the lock of the three below and of the connection's. */
  private final NbdRequests requests = new NbdRequests();

  /** Null while it is lost. */
  private NbdConnection connection;

  /** Lost for longer than was asked for: requests fail until the server is back. */
  private boolean failing;

  private boolean closing;

  private volatile Optional<String> problem = Optional.empty();

  private NbdDevice(
      NbdUri uri, NbdSocket socket, ExportInfo info, DeviceGeometry geometry, Timing timing) {
    this.uri = uri;
    this.info = info;
    this.geometry = geometry;
    nanoTime = timing.nanoTime;
    errors = new ErrorLog(log, nanoTime);
    reconnection = new Reconnection(timing.random);
    connection = connection(socket, info);
    // Nobody else answers its requests.
    thread = LastResort.vital("nbd " + uri, () -> run());
  }

  private NbdConnection connection(NbdSocket socket, ExportInfo found) {
    return new NbdConnection(socket, found, isWriteThrough(), requests, this::failed);
  }

  /** A server without a volatile cache writes through anyhow, and may not know how to be told. */
  private boolean isWriteThrough() {
    return uri.writeThrough() && info.has(NbdProtocol.FLAG_SEND_FUA);
  }

  /**
   * What time and chance are.
   *
   * @param nanoTime bounds waits, and holds back repeated errors in the log
   * @param random spreads reconnections
   */
  public record Timing(LongSupplier nanoTime, Random random) {}

  /** Opens an export by its text form, see {@link NbdUri}. */
  public static NbdDevice open(String text, boolean readOnly, Timing timing)
      throws DeviceException {
    NbdUri uri = NbdUri.parse(text);
    NbdSocket socket = null;
    try {
      socket = NbdSocket.connect(uri, CONNECT_BOUND, timing.nanoTime);
      ExportInfo info = Handshake.run(socket, uri);
      NbdDevice device = new NbdDevice(uri, socket, info, info.geometry(uri, readOnly), timing);
      socket = null;
      device.thread.start();
      log.info(
          "{}: opened, {} bytes, sectors of {}{}",
          uri,
          device.geometry.sizeBytes(),
          device.geometry.logicalBlockBytes(),
          readOnly ? ", read-only" : "");
      return device;
    } catch (IOException e) {
      throw new DeviceException(
          "%s: expected an NBD server, found: %s; see that it runs and can be reached from this host"
              .formatted(uri, words(e)),
          e);
    } finally {
      if (socket != null) {
        socket.close();
      }
    }
  }

  @Override
  public DeviceGeometry geometry() {
    return geometry;
  }

  @Override
  public void read(long offsetBytes, ByteBuffer data, Completion completion) {
    submit(NbdProtocol.CMD_READ, offsetBytes, data.remaining(), data, completion);
  }

  @Override
  public void write(long offsetBytes, ByteBuffer data, Completion completion) {
    if (geometry.readOnly()) {
      completion.complete(Outcome.UNSUPPORTED);
    } else {
      submit(NbdProtocol.CMD_WRITE, offsetBytes, data.remaining(), data, completion);
    }
  }

  @Override
  public Optional<String> problem() {
    return problem;
  }

  @Override
  public void flush(Completion completion) {
    if (geometry.canFlush() && !geometry.readOnly()) {
      submit(NbdProtocol.CMD_FLUSH, 0, 0, null, completion);
    } else {
      completion.complete(Outcome.OK); // the server has no volatile cache, or nothing was written
    }
  }

  @Override
  public void discard(long offsetBytes, long lengthBytes, Completion completion) {
    if (geometry.canDiscard()) {
      submit(NbdProtocol.CMD_TRIM, offsetBytes, lengthBytes, null, completion);
    } else {
      completion.complete(Outcome.UNSUPPORTED);
    }
  }

  @Override
  public void zero(
      long offsetBytes, long lengthBytes, boolean mayDeallocate, Completion completion) {
    if (geometry.canZero()) {
      hasZeroed = true;
      int flags = mayDeallocate ? 0 : NbdProtocol.CMD_FLAG_NO_HOLE;
      submit(NbdProtocol.CMD_WRITE_ZEROES, flags, offsetBytes, lengthBytes, null, completion);
    } else {
      completion.complete(Outcome.UNSUPPORTED);
    }
  }

  private void submit(
      int command, long offsetBytes, long lengthBytes, ByteBuffer data, Completion completion) {
    submit(command, 0, offsetBytes, lengthBytes, data, completion);
  }

  private void submit(
      int command,
      int flags,
      long offsetBytes,
      long lengthBytes,
      ByteBuffer data,
      Completion completion) {
    if (!withinDevice(offsetBytes, lengthBytes)) {
      errors.report("a request outside the device or not aligned (a bug of the caller)", where());
      completion.complete(Outcome.IO_ERROR);
      return;
    }
    if (lengthBytes == 0 && command != NbdProtocol.CMD_FLUSH) {
      completion.complete(Outcome.OK);
      return;
    }
    boolean taken = false;
    NbdConnection toSend = null;
    synchronized (requests) {
      if (!closing && !failing) {
        NbdRequest request =
            requests.add(command, flags, offsetBytes, lengthBytes, data, completion);
        taken = request != null;
        if (taken && connection != null && connection.offer(request)) {
          toSend = connection;
        }
      }
    }
    if (toSend != null) {
      toSend.send();
    }
    if (!taken) {
      errors.report("a request to a device that is closed, or whose server is lost", where());
      completion.complete(Outcome.IO_ERROR);
    }
  }

  private boolean withinDevice(long offsetBytes, long lengthBytes) {
    int unit = geometry.logicalBlockBytes();
    return offsetBytes >= 0
        && lengthBytes <= geometry.sizeBytes() - offsetBytes
        && offsetBytes % unit == 0
        && lengthBytes % unit == 0;
  }

  /**
   * Waits for what is running. While the server is lost there is nobody to wait for: what is
   * outstanding fails.
   */
  @Override
  public void close() {
    synchronized (requests) {
      closing = true;
      requests.notifyAll();
      if (connection != null) {
        connection.wakeUp();
      }
    }
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true; // the buffers of what is running must stay ours
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private void run() {
    NbdConnection live = connection;
    while (live != null) {
      long beganNanos = nanoTime.getAsLong();
      live.begin();
      IOException loss = serve(live);
      if (loss == null) {
        live.disconnect();
      } else {
        reconnection.lost(live.replies(), nanoTime.getAsLong() - beganNanos);
      }
      live.close();
      live = loss == null ? null : reconnect(loss);
    }
  }

  /** Null when the device is closed and nothing is outstanding. */
  private IOException serve(NbdConnection live) {
    try {
      while (!isDone()) {
        live.serve();
      }
      return null;
    } catch (IOException e) {
      return e;
    } catch (RuntimeException | Error e) {
      log.error("{}: the connection failed inside netchanneld", uri, e);
      return new IOException(e);
    }
  }

  private boolean isDone() {
    synchronized (requests) {
      return closing && requests.outstanding() == 0;
    }
  }

  /** Null when the device was closed meanwhile. */
  private NbdConnection reconnect(IOException loss) {
    long lostAtNanos = nanoTime.getAsLong();
    synchronized (requests) {
      connection = null;
      problem = Optional.of("connection lost: " + words(loss));
      log.warn(
          "{}: connection lost: {}; {} requests wait and are sent again when it is back{}",
          uri,
          words(loss),
          requests.outstanding(),
          atRisk());
    }
    while (true) {
      if (!sleep(reconnection.delayMillis(), lostAtNanos)) {
        failAll();
        return null;
      }
      NbdConnection found = tryConnect(lostAtNanos);
      if (found != null) {
        long lostMillis = TimeUnit.NANOSECONDS.toMillis(nanoTime.getAsLong() - lostAtNanos);
        synchronized (requests) {
          connection = found;
          failing = false;
          problem = Optional.empty();
          log.info(
              "{}: connected again after {} ms; {} requests are sent again",
              uri,
              lostMillis,
              requests.outstanding());
        }
        return found;
      }
      if (leftNanos(lostAtNanos) <= 0) {
        failAll();
      }
    }
  }

  private NbdConnection tryConnect(long lostAtNanos) {
    NbdSocket socket = null;
    try {
      Duration left = Duration.ofNanos(Math.max(1, leftNanos(lostAtNanos)));
      Duration bound = left.compareTo(CONNECT_BOUND) < 0 && !isFailing() ? left : CONNECT_BOUND;
      socket = NbdSocket.connect(uri, bound, nanoTime);
      ExportInfo found = Handshake.run(socket, uri);
      Optional<String> difference = found.difference(geometry, neededFlags());
      if (difference.isPresent()) {
        throw new DeviceException(
            "the export that is there now %s; it is not used in place of the lost one"
                .formatted(difference.get()));
      }
      noteSize(found);
      NbdConnection connected = connection(socket, found);
      socket = null;
      return connected;
    } catch (IOException | DeviceException | OutOfMemoryError e) {
      // As of buffers for its socket: its guest waits, the others go on.
      errors.report("the lost server is not back", where() + ": " + words(e));
      return null;
    } finally {
      if (socket != null) {
        socket.close();
      }
    }
  }

  /** What the user was told, and uses. */
  private int neededFlags() {
    int trim = geometry.canDiscard() ? NbdProtocol.FLAG_SEND_TRIM : 0;
    int flush = geometry.canFlush() && !geometry.readOnly() ? NbdProtocol.FLAG_SEND_FLUSH : 0;
    int zero = hasZeroed ? NbdProtocol.FLAG_SEND_WRITE_ZEROES : 0; // no guest asks for it
    return trim | zero | flush | (isWriteThrough() ? NbdProtocol.FLAG_SEND_FUA : 0);
  }

  private void noteSize(ExportInfo found) {
    if (found.sizeBytes() > info.sizeBytes()) {
      log.info(
          "{}: has grown from {} to {} bytes; its guest sees that when the disk is opened anew",
          uri,
          info.sizeBytes(),
          found.sizeBytes());
    }
  }

  private boolean isFailing() {
    synchronized (requests) {
      return failing;
    }
  }

  /** How long requests still wait for the server. */
  private long leftNanos(long lostAtNanos) {
    return uri.reconnect()
        .map(bound -> bound.toNanos() - (nanoTime.getAsLong() - lostAtNanos))
        .orElse(Long.MAX_VALUE);
  }

  private String atRisk() {
    long unflushed = unflushedWrites();
    return unflushed == 0
        ? ""
        : "; %d writes were answered and not flushed: they are lost if the server has crashed and kept"
                .formatted(unflushed)
            + " them in a cache of its own (cache=writethrough in the source rules that out)";
  }

  /** Writes that were answered and may still be in a volatile cache of the server. */
  long unflushedWrites() {
    synchronized (requests) {
      boolean cached = info.has(NbdProtocol.FLAG_SEND_FLUSH) && !isWriteThrough();
      return cached ? requests.unflushedWrites() : 0;
    }
  }

  /** Waits, no longer than requests do; false when the device is closed. */
  private boolean sleep(long millis, long lostAtNanos) {
    synchronized (requests) {
      long leftMillis = TimeUnit.NANOSECONDS.toMillis(leftNanos(lostAtNanos));
      long boundMillis = failing ? millis : Math.min(millis, leftMillis);
      long endNanos = nanoTime.getAsLong() + TimeUnit.MILLISECONDS.toNanos(boundMillis);
      while (!closing) {
        long waitMillis = TimeUnit.NANOSECONDS.toMillis(endNanos - nanoTime.getAsLong());
        if (waitMillis <= 0) {
          return true;
        }
        try {
          requests.wait(waitMillis);
        } catch (InterruptedException e) {
          throw new IllegalStateException("nobody interrupts this thread", e);
        }
      }
      return false;
    }
  }

  private void failAll() {
    Completion[] lost;
    synchronized (requests) {
      if (!failing && !closing) {
        log.error(
            "{}: the server was not back in time; {} requests fail, and all until it is back",
            uri,
            requests.outstanding());
      }
      failing = true;
      lost = requests.removeAll();
    }
    for (Completion completion : lost) {
      Completion.tell(completion, Outcome.IO_ERROR, uri);
    }
  }

  private void failed(NbdRequest request, int error) {
    String what =
        switch (request.command) {
          case NbdProtocol.CMD_READ -> "read";
          case NbdProtocol.CMD_WRITE -> "write";
          case NbdProtocol.CMD_FLUSH -> "flush";
          case NbdProtocol.CMD_WRITE_ZEROES -> "zero";
          default -> "discard";
        };
    errors.report(
        what + " failed at the NBD server",
        "%s, offset %d, %d bytes: error %s"
            .formatted(
                uri, request.offsetBytes, request.lengthBytes, Integer.toUnsignedString(error)));
  }

  private String where() {
    return uri.toString();
  }

  private static String words(Throwable e) {
    if (e instanceof UnknownHostException) {
      String why = String.valueOf(e.getMessage());
      return why.startsWith("no such interface") ? why : "no host of that name";
    }
    return e.getMessage() == null ? e.toString() : e.getMessage();
  }
}
