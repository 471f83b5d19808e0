package io.netchannel.bench.usb;

import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UrbType;
import io.netchannel.device.usb.UsbDevice;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;

/**
 * So many requests of one kind on each of some devices, {@code depth} of them outstanding; a
 * request is submitted by the completion of one before.
 *
 * @param type of the transfers
 * @param endpoint its address
 * @param bytes of a request, or of a packet of an isochronous one
 * @param depth outstanding on each device
 * @param requests on each device
 */
record Requests(UrbType type, int endpoint, int bytes, int depth, int requests) {
  /** Of an isochronous request, one for each millisecond. */
  private static final int PACKETS = 8;

  private static final long GET_DESCRIPTOR = 0x80 | 6 << 8 | 0x0100 << 16;

  static Requests of(List<String> words) {
    return new Requests(
        UrbType.valueOf(words.get(0).toUpperCase(Locale.ROOT)),
        Integer.decode(words.get(1)),
        Integer.decode(words.get(2)),
        Integer.decode(words.get(3)),
        Integer.decode(words.get(4)));
  }

  /** A request without data, done on all of them: as SET_CONFIGURATION and SET_INTERFACE. */
  static String ask(List<UsbDevice> devices, List<Integer> words) {
    long setup =
        words.get(0) | words.get(1) << 8 | (long) words.get(2) << 16 | (long) words.get(3) << 32;
    for (UsbDevice device : devices) {
      Urb urb = new Urb();
      urb.control(setup, ByteBuffer.allocateDirect(0));
      CompletableFuture<UrbStatus> done = new CompletableFuture<>();
      device.submit(urb, device.port().incarnation(), ended -> done.complete(ended.status()));
      if (done.join() != UrbStatus.OK) {
        return "{\"errors\": 1}";
      }
    }
    return "{\"errors\": 0}";
  }

  /** Microseconds of each request in the order of their ends, and what went wrong, as JSON. */
  String run(List<UsbDevice> devices) throws InterruptedException {
    Run run = new Run(devices.size() * requests);
    long began = System.nanoTime();
    for (UsbDevice device : devices) {
      Lane lane = new Lane(device, run);
      for (int i = 0; i < Math.min(depth, requests); i++) {
        lane.submit(lane.prepared());
      }
    }
    run.all.await();
    return run.json(System.nanoTime() - began);
  }

  /** What came of it. */
  private static final class Run {
    private final long[] nanos;
    private final long[] ends;
    private final AtomicInteger ended = new AtomicInteger();
    private final AtomicInteger errors = new AtomicInteger();
    private final AtomicInteger missed = new AtomicInteger();
    private final AtomicLong moved = new AtomicLong();
    private final CountDownLatch all;

    private Run(int requests) {
      nanos = new long[requests];
      ends = new long[requests];
      all = new CountDownLatch(requests);
    }

    private void note(Urb urb, long began) {
      long now = System.nanoTime();
      int place = ended.getAndIncrement();
      nanos[place] = now - began;
      ends[place] = now;
      moved.addAndGet(urb.actualBytes());
      if (urb.status() != UrbStatus.OK) {
        errors.incrementAndGet();
      }
      for (int i = 0; i < urb.packets(); i++) {
        if (urb.packetStatus(i) != UrbStatus.OK) {
          missed.incrementAndGet();
        }
      }
      all.countDown();
    }

    private String json(long took) {
      return """
      {"seconds": %s, "bytes": %d, "errors": %d, "missed": %d, "micros": [%s], "ends": [%s]}\
      """
          .formatted(
              took / 1e9,
              moved.get(),
              errors.get(),
              missed.get(),
              micros(nanos, 0),
              micros(ends, ends[0]));
    }

    private static String micros(long[] values, long from) {
      return Arrays.stream(values)
          .mapToObj(value -> Long.toString((value - from) / 1000))
          .collect(Collectors.joining(","));
    }
  }

  /** One device. */
  private final class Lane {
    private final UsbDevice device;
    private final int incarnation;
    private final Run run;
    private final AtomicInteger left = new AtomicInteger(requests);

    private Lane(UsbDevice device, Run run) {
      this.device = device;
      this.run = run;
      incarnation = device.port().incarnation();
    }

    private Urb prepared() {
      Urb urb = new Urb();
      boolean isochronous = type == UrbType.ISOCHRONOUS;
      ByteBuffer data = ByteBuffer.allocateDirect(isochronous ? PACKETS * bytes : bytes);
      switch (type) {
        case CONTROL -> urb.control(GET_DESCRIPTOR | (long) bytes << 48, data);
        case BULK -> urb.bulk(endpoint, data, false);
        case INTERRUPT -> urb.interrupt(endpoint, data, false, 0);
        case ISOCHRONOUS -> {
          urb.isochronous(endpoint, data, 1);
          for (int i = 0; i < PACKETS; i++) {
            urb.addPacket(i * bytes, bytes);
          }
        }
      }
      return urb;
    }

    private void submit(Urb urb) {
      if (left.getAndDecrement() <= 0) {
        return;
      }
      urb.clearOutcome();
      long began = System.nanoTime();
      device.submit(
          urb,
          incarnation,
          ended -> {
            run.note(ended, began);
            submit(ended);
          });
    }
  }
}
