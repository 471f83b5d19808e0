package io.netchannel.xen.jna;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.concurrent.TimeUnit.SECONDS;

import io.netchannel.xen.XenStore;
import io.netchannel.xen.XenStoreException;
import io.netchannel.xen.XenStoreException.Reason;
import io.netchannel.xen.XenStoreOperations;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * The guest's end of a ring to xenstored (xen/include/public/io/xs_wire.h), as a guest's kernel has
 * it: so the real xenstored can be asked what it lets a guest do.
 */
final class RingXenStore extends RingOperations implements XenStore {
  /** struct xenstore_domain_interface: two rings of 1024 bytes, then their four indices. */
  private static final int RING_BYTES = 1024;

  private static final int REQUESTS = 0;
  private static final int RESPONSES = 1024;
  private static final int REQUEST_CONSUMER = 2048;
  private static final int REQUEST_PRODUCER = 2052;
  private static final int RESPONSE_CONSUMER = 2056;
  private static final int RESPONSE_PRODUCER = 2060;
  private static final int PAGE_BYTES = 4096;

  /** struct xsd_sockmsg { u32 type, req_id, tx_id, len }. */
  private static final int HEADER_BYTES = 16;

  private static final long IDLE_NANOS = 100_000;
  private static final long ANSWER_BOUND_SECONDS = 20;

  private static final VarHandle INTS =
      MethodHandles.byteBufferViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

  private static final Map<String, Reason> REASONS =
      Map.of(
          "ENOENT", Reason.NOT_FOUND,
          "E2BIG", Reason.TOO_LARGE,
          "EAGAIN", Reason.CONFLICT,
          "EACCES", Reason.DENIED,
          "EPERM", Reason.DENIED,
          "EINVAL", Reason.INVALID,
          "ENOSPC", Reason.QUOTA);

  private record Message(int type, String payload) {}

  private final ByteBuffer page;
  private final Runnable raiseEvent;
  private final BlockingQueue<Message> answers = new LinkedBlockingQueue<>();
  private final BlockingQueue<Runnable> watchEvents = new LinkedBlockingQueue<>();
  private final Map<String, Consumer<String>> listeners = new ConcurrentHashMap<>();
  private int lastToken;
  private volatile boolean closed;

  RingXenStore(Path ringPage, Runnable raiseEvent) {
    super(NO_TRANSACTION);
    try (FileChannel file =
        FileChannel.open(ringPage, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      page = file.map(MapMode.READ_WRITE, 0, PAGE_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    this.raiseEvent = raiseEvent;
    startDaemon("ring-reader", this::readMessages);
    startDaemon("ring-watches", this::callListeners);
  }

  @Override
  public <T> T transaction(Function<XenStoreOperations, T> body) {
    while (true) {
      String started = call(Type.TRANSACTION_START, NO_TRANSACTION, "\0");
      int transaction = Integer.parseInt(started.substring(0, started.indexOf('\0')));
      T result;
      try {
        result = body.apply(new RingTransaction(transaction));
      } catch (RuntimeException | Error e) {
        call(Type.TRANSACTION_END, transaction, "F\0");
        throw e;
      }
      try {
        call(Type.TRANSACTION_END, transaction, "T\0");
        return result;
      } catch (XenStoreException e) {
        if (e.reason() != Reason.CONFLICT) {
          throw e;
        }
      }
    }
  }

  private final class RingTransaction extends RingOperations {
    RingTransaction(int id) {
      super(id);
    }

    @Override
    String call(int type, int transaction, String payload) {
      return RingXenStore.this.call(type, transaction, payload);
    }
  }

  @Override
  public Watch watch(String path, Consumer<String> listener) {
    String token;
    synchronized (this) {
      token = Integer.toString(++lastToken);
    }
    listeners.put(token, listener);
    try {
      call(Type.WATCH, NO_TRANSACTION, path + '\0' + token + '\0');
    } catch (XenStoreException e) {
      listeners.remove(token);
      // What xenstored says when the quota of watches is used up.
      throw e.reason() == Reason.TOO_LARGE
          ? new XenStoreException(Reason.QUOTA, e.getMessage())
          : e;
    }
    return () -> {
      if (listeners.remove(token) != null && !closed) {
        call(Type.UNWATCH, NO_TRANSACTION, path + '\0' + token + '\0');
      }
    };
  }

  @Override
  public void close() {
    closed = true;
  }

  @Override
  synchronized String call(int type, int transaction, String payload) {
    byte[] bytes = payload.getBytes(UTF_8);
    ByteBuffer message =
        ByteBuffer.allocate(HEADER_BYTES + bytes.length).order(ByteOrder.LITTLE_ENDIAN);
    message.putInt(type).putInt(0).putInt(transaction).putInt(bytes.length).put(bytes).flip();
    send(message);
    Message answer;
    try {
      answer = answers.poll(ANSWER_BOUND_SECONDS, SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted", e);
    }
    if (answer == null) {
      throw new AssertionError("xenstored does not answer a guest's request of type " + type);
    }
    String text = answer.payload();
    if (answer.type() == Type.ERROR) {
      String errno = split(text).get(0);
      throw new XenStoreException(
          REASONS.getOrDefault(errno, Reason.IO), "xenstored answers %s".formatted(errno));
    }
    return text;
  }

  private void send(ByteBuffer message) {
    while (message.hasRemaining()) {
      int producer = (int) INTS.getAcquire(page, REQUEST_PRODUCER);
      int space = RING_BYTES - (producer - (int) INTS.getAcquire(page, REQUEST_CONSUMER));
      for (; space > 0 && message.hasRemaining(); space--) {
        page.put(REQUESTS + Math.floorMod(producer++, RING_BYTES), message.get());
      }
      INTS.setRelease(page, REQUEST_PRODUCER, producer);
      raiseEvent.run();
      if (message.hasRemaining()) {
        LockSupport.parkNanos(IDLE_NANOS);
      }
    }
  }

  private void readMessages() {
    while (!closed) {
      ByteBuffer header = ByteBuffer.wrap(receive(HEADER_BYTES)).order(ByteOrder.LITTLE_ENDIAN);
      String payload = new String(receive(header.getInt(12)), UTF_8);
      if (closed) {
        return;
      }
      if (header.getInt(0) == Type.WATCH_EVENT) {
        List<String> event = split(payload);
        watchEvents.add(
            () ->
                Optional.ofNullable(listeners.get(event.get(1)))
                    .ifPresent(l -> l.accept(event.get(0))));
      } else {
        answers.add(new Message(header.getInt(0), payload));
      }
    }
  }

  private byte[] receive(int lengthBytes) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    while (bytes.size() < lengthBytes && !closed) {
      int consumer = (int) INTS.getAcquire(page, RESPONSE_CONSUMER);
      int available = (int) INTS.getAcquire(page, RESPONSE_PRODUCER) - consumer;
      if (available == 0) {
        LockSupport.parkNanos(IDLE_NANOS);
        continue;
      }
      for (; available > 0 && bytes.size() < lengthBytes; available--) {
        bytes.write(page.get(RESPONSES + Math.floorMod(consumer++, RING_BYTES)));
      }
      INTS.setRelease(page, RESPONSE_CONSUMER, consumer);
      raiseEvent.run();
    }
    return Arrays.copyOf(bytes.toByteArray(), lengthBytes);
  }

  private void callListeners() {
    try {
      while (!closed) {
        Runnable event = watchEvents.poll(1, SECONDS);
        if (event != null) {
          event.run();
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void startDaemon(String name, Runnable body) {
    Thread thread = new Thread(body, name);
    thread.setDaemon(true);
    thread.start();
  }
}
