package io.netchannel.server;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import io.netchannel.device.usb.DescriptorLoop;
import io.netchannel.device.usb.Descriptors;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UrbType;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbKind;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.device.usb.UsbSpeed;
import io.netty.buffer.ByteBufUtil;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;

/**
 * A port of a host, and what is plugged there, which remembers what was done to it. It outlives the
 * server that opens it, as hardware does. Endpoints: bulk OUT 1 and 2; bulk IN 1, a stream of bytes
 * that counts on; interrupt IN 2, which waits for a {@link #report}; isochronous both ways 3;
 * control.
 *
 * <p>The first 8 bytes of an OUT transfer are its number, and it has to come once and in order.
 */
final class RecordingUsb implements UsbKind {
  static final int BULK_OUT = 0x01;
  static final int OTHER_OUT = 0x02;
  static final int BULK_IN = 0x81;
  static final int INTERRUPT_IN = 0x82;
  static final int ISO_OUT = 0x03;
  static final int ISO_IN = 0x83;

  private static final byte[] DESCRIPTORS =
      ByteBufUtil.decodeHexDump("120100020000004009120300000001020301");

  private final Executor executor;
  private final Random random;

  // All below is guarded by this.
  private int plugs = 1;
  private boolean plugged = true;
  private String serial = "NC42";
  private int configuration = 1;
  private boolean held;
  private long streamed;
  private Opened opened;
  private final ArrayDeque<byte[]> reports = new ArrayDeque<>();

  /** For what is not plugged any more, and held. */
  private final List<Waiting> gone = new ArrayList<>();

  /** Numbers of OUT transfers by their endpoint, as they came. */
  final Map<Integer, List<Long>> written = new HashMap<>();

  /** URBs that were submitted. */
  int submitted;

  int resets;

  /** Where it was to complete, the last one as the last. */
  private final List<DescriptorLoop> loops = new ArrayList<>();

  /** How often it was taken from the kernel's drivers, and how often they got it back. */
  int opens;

  int givenBack;

  RecordingUsb(Executor executor, long seed) {
    this.executor = executor;
    this.random = new Random(seed);
  }

  @Override
  public synchronized UsbDevice open(String text, UsbOpenOptions options) {
    if (options.probe()) {
      return new Opened(true);
    }
    if (opened != null) {
      throw new IllegalStateException("opened twice");
    }
    opens++;
    opened = new Opened(false);
    return opened;
  }

  /** What is submitted is not looked at until it is released, and does not end. */
  void hold(boolean now) {
    Opened wake;
    List<Waiting> late;
    synchronized (this) {
      held = now;
      wake = opened;
      late = now ? List.of() : List.copyOf(gone);
      gone.removeAll(late);
    }
    late.forEach(each -> end(each.urb, each.completion, UrbStatus.NO_DEVICE));
    if (wake != null) {
      wake.workSoon();
    }
  }

  /** The device has something to say on its interrupt endpoint. */
  void report(byte[] bytes) {
    Opened wake;
    synchronized (this) {
      reports.add(bytes);
      wake = opened;
    }
    wake.workSoon();
  }

  synchronized List<Long> written(int endpoint) {
    return List.copyOf(written.getOrDefault(endpoint, List.of()));
  }

  synchronized int submitted() {
    return submitted;
  }

  synchronized long streamed() {
    return streamed;
  }

  synchronized int waiting() {
    return opened == null ? 0 : opened.queue.size();
  }

  synchronized int opens() {
    return opens;
  }

  synchronized int givenBack() {
    return givenBack;
  }

  synchronized int resets() {
    return resets;
  }

  void plug(String newSerial) {
    synchronized (this) {
      plugged = true;
      plugs++;
      serial = newSerial;
    }
    tellPort();
  }

  void unplug() {
    List<Waiting> all = pull();
    for (Waiting each : all) {
      each.urb.done(UrbStatus.NO_DEVICE, 0);
    }
    executor.execute(
        () -> {
          all.forEach(each -> each.completion.complete(each.urb));
          tellPort();
        });
  }

  /** It is unplugged while nothing is at it, and nobody has been told. */
  void unplugUntold() {
    if (!pull().isEmpty()) {
      throw new IllegalStateException("something is at it");
    }
  }

  private synchronized List<Waiting> pull() {
    plugged = false;
    if (opened == null) {
      return List.of();
    }
    List<Waiting> outstanding = List.copyOf(opened.queue);
    opened.queue.clear();
    return outstanding;
  }

  /** Tells the present user that the port has changed. */
  void tellPort() {
    Opened to;
    synchronized (this) {
      to = opened;
    }
    if (to != null) {
      to.tell();
    }
  }

  /** The byte of the stream at a place. */
  static byte streamByte(long at) {
    return (byte) (at * 31 + (at >> 8));
  }

  private record Waiting(Urb urb, UrbCompletion completion) {}

  synchronized List<DescriptorLoop> loops() {
    return List.copyOf(loops);
  }

  private void end(Urb urb, UrbCompletion completion, UrbStatus status) {
    urb.done(status, 0);
    executor.execute(() -> completion.complete(urb));
  }

  /** One life of the device for its server. */
  private final class Opened implements UsbDevice {
    private final int plugsBefore = plugs - 1;
    private final ArrayDeque<Waiting> queue = new ArrayDeque<>();
    private PortListener listener = () -> {};
    private boolean closed;
    private boolean keeps;

    private Opened(boolean probe) {
      keeps = probe;
    }

    @Override
    public void keepPlace() {
      synchronized (RecordingUsb.this) {
        keeps = true;
      }
    }

    @Override
    public void completeOn(DescriptorLoop loop) {
      synchronized (RecordingUsb.this) {
        loops.add(loop);
      }
    }

    @Override
    public PortState port() {
      synchronized (RecordingUsb.this) {
        return new PortState(
            plugs - plugsBefore,
            plugged
                ? Optional.of(
                    new PortState.Plugged(
                        UsbSpeed.HIGH,
                        Descriptors.of(DESCRIPTORS),
                        Optional.of(serial),
                        configuration,
                        ImmutableMap.of(0, 0),
                        ImmutableSet.of()))
                : Optional.empty());
      }
    }

    @Override
    public void listen(PortListener newListener) {
      synchronized (RecordingUsb.this) {
        listener = newListener;
      }
      newListener.portChanged();
    }

    private void tell() {
      PortListener to;
      synchronized (RecordingUsb.this) {
        to = listener;
      }
      to.portChanged();
    }

    @Override
    public void submit(Urb urb, int incarnation, UrbCompletion completion) {
      boolean isGone;
      synchronized (RecordingUsb.this) {
        submitted++;
        isGone = !plugged || closed || incarnation != plugs - plugsBefore;
        if (!isGone) {
          queue.add(new Waiting(urb, completion));
        } else if (held) {
          gone.add(new Waiting(urb, completion));
          return;
        }
      }
      if (isGone) {
        end(urb, completion, UrbStatus.NO_DEVICE);
      } else {
        workSoon();
      }
    }

    private void workSoon() {
      executor.execute(this::work);
    }

    /** Does the first of an endpoint, at random. */
    private void work() {
      Waiting done;
      synchronized (RecordingUsb.this) {
        List<Waiting> first = new ArrayList<>();
        for (Waiting each : queue) {
          boolean isNext =
              queue.stream()
                  .filter(other -> other.urb.endpoint() == each.urb.endpoint())
                  .findFirst()
                  .filter(each::equals)
                  .isPresent();
          if (isNext && isReady(each.urb)) {
            first.add(each);
          }
        }
        if (held || first.isEmpty()) {
          return;
        }
        done = first.get(random.nextInt(first.size()));
        queue.remove(done);
        perform(done.urb);
      }
      done.completion.complete(done.urb);
      workSoon();
    }

    private boolean isReady(Urb urb) {
      return urb.endpoint() != INTERRUPT_IN || !reports.isEmpty();
    }

    private void perform(Urb urb) {
      ByteBuffer data = urb.data().duplicate();
      if (urb.type() == UrbType.CONTROL) {
        performControl(urb, data);
        return;
      }
      switch (urb.endpoint()) {
        case BULK_OUT, OTHER_OUT -> {
          written
              .computeIfAbsent(urb.endpoint(), endpoint -> new ArrayList<>())
              .add(data.getLong(data.position()));
          urb.done(UrbStatus.OK, urb.dataBytes());
        }
        case BULK_IN -> urb.done(UrbStatus.OK, stream(data, random.nextInt(urb.dataBytes() + 1)));
        case INTERRUPT_IN -> {
          byte[] report = reports.remove();
          data.put(report);
          urb.done(UrbStatus.OK, report.length);
        }
        case ISO_OUT -> {
          for (int i = 0; i < urb.packets(); i++) {
            long number = data.getLong(data.position() + urb.packetOffset(i));
            written.computeIfAbsent(ISO_OUT, endpoint -> new ArrayList<>()).add(number);
            urb.packetDone(i, urb.packetBytes(i), UrbStatus.OK);
          }
          urb.frames(77, 0);
          urb.done(UrbStatus.OK, urb.dataBytes());
        }
        case ISO_IN -> {
          int sum = 0;
          for (int i = 0; i < urb.packets(); i++) {
            int actual = i % 3 == 1 ? 0 : urb.packetBytes(i) - i % 3;
            data.position(urb.data().position() + urb.packetOffset(i));
            stream(data, actual);
            urb.packetDone(i, actual, i % 3 == 1 ? UrbStatus.MISSED_FRAME : UrbStatus.OK);
            sum += actual;
          }
          urb.frames(78, (urb.packets() + 1) / 3);
          urb.done(UrbStatus.OK, sum);
        }
        default -> urb.done(UrbStatus.STALL, 0);
      }
    }

    private int stream(ByteBuffer to, int bytes) {
      for (int i = 0; i < bytes; i++) {
        to.put(streamByte(streamed++));
      }
      return bytes;
    }

    /** What had arrived when it was unlinked. */
    private int part(Urb urb) {
      return stream(urb.data().duplicate(), random.nextInt(urb.dataBytes() + 1));
    }

    /** SET_CONFIGURATION is done; what is read are the bytes of the setup. */
    private void performControl(Urb urb, ByteBuffer data) {
      if (urb.setupByte(1) == 9) {
        configuration = urb.setupShort(2);
        urb.done(UrbStatus.OK, 0);
      } else if (urb.isIn()) {
        int bytes = Math.min(Long.BYTES, urb.dataBytes());
        for (int i = 0; i < bytes; i++) {
          data.put((byte) urb.setupByte(i));
        }
        urb.done(UrbStatus.OK, bytes);
      } else {
        urb.done(UrbStatus.STALL, 0);
      }
    }

    @Override
    public void unlink(Urb urb) {
      Optional<Waiting> found;
      synchronized (RecordingUsb.this) {
        found = queue.stream().filter(each -> each.urb == urb).findFirst();
        if (found.isEmpty()) {
          return;
        }
        boolean isNext =
            queue.stream()
                .filter(each -> each.urb.endpoint() == urb.endpoint())
                .findFirst()
                .equals(found);
        queue.remove(found.get());
        urb.done(UrbStatus.CANCELLED, isNext && urb.endpoint() == BULK_IN ? part(urb) : 0);
      }
      executor.execute(() -> found.get().completion.complete(urb));
    }

    @Override
    public CompletableFuture<UrbStatus> reset() {
      List<Waiting> ended;
      synchronized (RecordingUsb.this) {
        resets++;
        ended = List.copyOf(queue);
        queue.clear();
      }
      ended.forEach(each -> end(each.urb, each.completion, UrbStatus.CANCELLED));
      return CompletableFuture.supplyAsync(() -> UrbStatus.OK, executor);
    }

    @Override
    public void close() {
      List<Waiting> ended;
      synchronized (RecordingUsb.this) {
        closed = true;
        givenBack += keeps ? 0 : 1;
        opened = opened == this ? null : opened;
        ended = List.copyOf(queue);
        queue.clear();
      }
      ended.forEach(each -> end(each.urb, each.completion, UrbStatus.CANCELLED));
    }
  }
}
