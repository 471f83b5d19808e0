package io.netchannel.device.usb.soft;

import static com.google.common.base.Preconditions.checkArgument;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.usb.Descriptors;
import io.netchannel.device.usb.Descriptors.Endpoint;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UrbType;
import io.netchannel.device.usb.UsbDevice;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A port with a device in software, which is plugged from the start.
 *
 * <p>Its state, and the device's, is under its lock, which nobody keeps for long: completions are
 * told without it by the executor, storage answers come in through the executor.
 */
public final class SoftPort implements UsbDevice {
  private static final Logger log = LoggerFactory.getLogger(SoftPort.class);

  private final SoftFunction function;
  private final ScheduledExecutorService executor;
  private final LongSupplier nanoTime;
  private final long originNanos;
  private final Outbox outbox;
  private final ImmutableMap<Integer, Pipe> pipes;
  private final Settings settings;
  private final Object lock = new Object();
  private volatile PortListener listener = () -> {};

  private int incarnation;
  private boolean plugged;
  private boolean closed;

  /** When the executor looks again, since the port was made; negative for never. */
  private long wakeNanos = -1;

  private Future<?> timer = CompletableFuture.completedFuture(null);

  /**
   * Plugs a device in; one has one port in its life.
   *
   * @param executor completes URBs and does what is due later; ended by who made it, after all
   *     ports
   * @param nanoTime the monotonic clock, for frames and rates
   */
  public SoftPort(SoftFunction function, ScheduledExecutorService executor, LongSupplier nanoTime) {
    this.function = function;
    this.executor = executor;
    this.nanoTime = nanoTime;
    originNanos = nanoTime.getAsLong();
    outbox = new Outbox(executor);
    pipes = pipes(function);
    settings = new Settings(function.model(), function, pipes);
    function.attached(new FunctionBus());
    plug();
  }

  private static ImmutableMap<Integer, Pipe> pipes(SoftFunction function) {
    Model model = function.model();
    TreeMap<Integer, Pipe> found = new TreeMap<>();
    for (Descriptors.Configuration configuration : model.descriptors().configurations()) {
      for (Descriptors.Interface setting : configuration.interfaces()) {
        for (Endpoint endpoint : setting.endpoints()) {
          found.putIfAbsent(
              endpoint.address(),
              endpoint.type() == UrbType.ISOCHRONOUS
                  ? new IsoPipe(endpoint, model.speed(), function)
                  : new DataPipe(endpoint));
        }
      }
    }
    return ImmutableMap.copyOf(found);
  }

  /** Plugs the device in again; nothing when it is. */
  public void plug() {
    enter(
        () -> {
          if (!plugged && !closed) {
            plugged = true;
            incarnation++;
            settings.reset();
            outbox.add(() -> listener.portChanged());
          }
        });
  }

  /** Unplugs the device; nothing when it is. */
  public void unplug() {
    enter(
        () -> {
          if (plugged) {
            end(UrbStatus.NO_DEVICE);
            plugged = false;
            outbox.add(() -> listener.portChanged());
          }
        });
  }

  @Override
  public PortState port() {
    synchronized (lock) {
      return new PortState(
          incarnation, plugged ? Optional.of(settings.plugged()) : Optional.empty());
    }
  }

  @Override
  public void listen(PortListener newListener) {
    listener = newListener;
    newListener.portChanged();
  }

  @Override
  public void submit(Urb urb, int itsIncarnation, UrbCompletion completion) {
    enter(
        () -> {
          Submitted one = new Submitted(urb, completion, outbox);
          Pipe pipe = pipes.get(urb.endpoint());
          if (!plugged || itsIncarnation != incarnation) {
            one.complete(UrbStatus.NO_DEVICE);
          } else if (urb.type() == UrbType.CONTROL) {
            control(one);
          } else if (pipe == null) {
            one.complete(UrbStatus.INVALID);
          } else {
            pipe.add(one);
          }
        });
  }

  private void control(Submitted one) {
    Urb urb = one.urb;
    Setup setup = Setup.of(urb);
    int most = Math.min(setup.length(), urb.dataBytes());
    byte[] sent = new byte[urb.isIn() ? 0 : most];
    ByteBuffer data = urb.data();
    data.get(data.position(), sent);
    Optional<byte[]> answer = settings.control(setup, sent);
    if (answer.isEmpty()) {
      one.complete(UrbStatus.STALL);
      return;
    }
    if (urb.isIn()) {
      one.movedBytes = Math.min(answer.get().length, most);
      data.put(data.position(), answer.get(), 0, one.movedBytes);
    } else {
      one.movedBytes = most;
    }
    one.complete(UrbStatus.OK);
  }

  @Override
  public void unlink(Urb urb) {
    enter(
        () -> {
          if (urb.attachment() instanceof Submitted one && pipes.containsValue(one.pipe)) {
            one.pipe.cancel(one);
          }
        });
  }

  @Override
  public CompletableFuture<UrbStatus> reset() {
    CompletableFuture<UrbStatus> done = new CompletableFuture<>();
    enter(
        () -> {
          UrbStatus outcome = plugged ? UrbStatus.OK : UrbStatus.NO_DEVICE;
          if (plugged) {
            settings.reset();
          }
          outbox.add(() -> done.complete(outcome));
        });
    return done;
  }

  /** Whoever has URBs here gets them, with NO_DEVICE, before it returns. */
  @Override
  public void close() {
    synchronized (lock) {
      if (!closed) {
        log.info("{} is closed: {}", this, function.summary());
      }
      closed = true;
      plugged = false;
      end(UrbStatus.NO_DEVICE);
    }
    outbox.tellNow();
    function.close();
  }

  @Override
  public String toString() {
    return "USB device in software \"%s\"".formatted(function.model().product());
  }

  private void end(UrbStatus status) {
    pipes.values().forEach(pipe -> pipe.endAll(status));
  }

  private void enter(Runnable work) {
    synchronized (lock) {
      if (plugged) {
        advance(); // what is due is done, whatever comes now
      }
      work.run();
      if (plugged) {
        function.ready();
        advance();
        wakeAtNextFrame();
      }
    }
    outbox.tellSoon();
  }

  private void advance() {
    long now = sinceOrigin();
    for (Pipe pipe : pipes.values()) {
      if (pipe instanceof IsoPipe iso) {
        iso.advance(now);
      }
    }
  }

  private void wakeAtNextFrame() {
    for (Pipe pipe : pipes.values()) {
      if (pipe instanceof IsoPipe iso) {
        OptionalLong next = iso.nextNanos();
        if (next.isPresent()) {
          wakeAt(next.getAsLong());
        }
      }
    }
  }

  private void wakeAt(long nanos) {
    if (wakeNanos >= 0 && wakeNanos <= nanos) {
      return;
    }
    timer.cancel(false);
    wakeNanos = nanos;
    timer =
        executor.schedule(
            () -> wake(nanos), Math.max(0, nanos - sinceOrigin()), TimeUnit.NANOSECONDS);
  }

  private void wake(long nanos) {
    enter(
        () -> {
          if (wakeNanos == nanos) {
            wakeNanos = -1;
          }
        });
  }

  private long sinceOrigin() {
    return nanoTime.getAsLong() - originNanos;
  }

  private final class FunctionBus implements SoftFunction.Bus {
    @Override
    public DataPipe pipe(int address) {
      checkArgument(pipes.get(address) instanceof DataPipe, "no data pipe %s", address);
      return (DataPipe) pipes.get(address);
    }

    @Override
    public long nanoTime() {
      return nanoTime.getAsLong();
    }

    @Override
    public void wakeAfter(Duration delay) {
      wakeAt(sinceOrigin() + delay.toNanos());
    }

    @Override
    public void enter(Runnable work) {
      SoftPort.this.enter(work);
    }

    @Override
    public void enterLater(Runnable work) {
      executor.execute(() -> SoftPort.this.enter(work));
    }
  }
}
