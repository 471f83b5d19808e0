package io.netchannel.bench.usb;

import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.soft.CounterPattern;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;

/**
 * Numbered words to and from a source and sink in software (SoftSourceSink), four requests
 * outstanding each way, up to a word of the owner. Then the sink is asked what it has seen.
 */
final class NumberedStreams {
  private static final int DEPTH = 4;

  /** As of a device that is asked for more and for less. */
  private static final int MOST_WORDS = Urb.MAX_DATA_BYTES / CounterPattern.WORD_BYTES;

  private static final int REPORT_BYTES = 3 * Long.BYTES;
  private static final long REPORT = 0xc0 | 1 << 8 | (long) REPORT_BYTES << 48;

  private final UsbDevice device;
  private final int incarnation;
  private final Way out;
  private final Way in;
  private volatile boolean ending;

  NumberedStreams(UsbDevice device, int out, int in) {
    this.device = device;
    this.out = new Way(out);
    this.in = new Way(in);
    incarnation = device.port().incarnation();
  }

  void start() {
    out.start();
    in.start();
  }

  /** Lets what is outstanding end. Words that were lost or came twice either way, as JSON. */
  String stop() throws InterruptedException {
    ending = true;
    out.ended.await();
    in.ended.await();
    ByteBuffer report = ByteBuffer.allocateDirect(REPORT_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    Urb asked = new Urb();
    asked.control(REPORT | (long) out.endpoint << 32, report);
    CompletableFuture<UrbStatus> answered = new CompletableFuture<>();
    device.submit(asked, incarnation, urb -> answered.complete(urb.status()));
    if (answered.join() != UrbStatus.OK) {
      throw new IllegalStateException("expected the sink's report, found " + answered.join());
    }
    CounterPattern.Counts read = in.pattern.counts();
    long seen = report.getLong(0);
    long repeats = report.getLong(2 * Long.BYTES);
    return """
    {"sent_words": %d, "seen_words": %d, "read_words": %d, "requests": %d, "errors": %d, \
    "overtaken": %d, "lost_words": %d, "doubled_words": %d}\
    """
        .formatted(
            out.words,
            seen,
            read.words(),
            out.requests + in.requests,
            out.errors + in.errors,
            out.overtaken + in.overtaken,
            Math.max(0, out.words - (seen - repeats)) + read.gaps(),
            repeats + read.repeats());
  }

  /** One request, which is used again and again. */
  private static final class Transfer {
    private final Urb urb = new Urb();
    private final ByteBuffer data = ByteBuffer.allocateDirect(Urb.MAX_DATA_BYTES);
    private boolean done;
  }

  /** One direction. What came is looked at in the order in which it was asked for. */
  private final class Way {
    private final int endpoint;
    private final Random random;
    private final CounterPattern pattern = new CounterPattern();
    private final Deque<Transfer> outstanding = new ArrayDeque<>();
    private final CountDownLatch ended = new CountDownLatch(DEPTH);
    private long words;
    private long requests;
    private long errors;
    private long overtaken;

    private Way(int endpoint) {
      this.endpoint = endpoint;
      random = new Random(endpoint);
    }

    private boolean isIn() {
      return (endpoint & Urb.IN) != 0;
    }

    private synchronized void start() {
      for (int i = 0; i < DEPTH; i++) {
        submit(new Transfer());
      }
    }

    private void submit(Transfer transfer) {
      int asked = 1 + random.nextInt(MOST_WORDS);
      transfer.data.clear().limit(asked * CounterPattern.WORD_BYTES);
      if (!isIn()) {
        pattern.fill(transfer.data);
        transfer.data.flip();
        words += asked;
      }
      transfer.done = false;
      transfer.urb.bulk(endpoint, transfer.data, false);
      outstanding.add(transfer);
      device.submit(transfer.urb, incarnation, urb -> ended(transfer));
    }

    private synchronized void ended(Transfer transfer) {
      transfer.done = true;
      requests++;
      if (transfer.urb.status() != UrbStatus.OK) {
        errors++;
      }
      if (outstanding.peek() != transfer) {
        overtaken++;
      }
      while (!outstanding.isEmpty() && outstanding.peek().done) {
        take(outstanding.remove());
      }
    }

    private void take(Transfer transfer) {
      if (isIn()) {
        pattern.check(transfer.data.duplicate().position(0).limit(transfer.urb.actualBytes()));
      }
      if (ending) {
        ended.countDown();
      } else {
        submit(transfer);
      }
    }
  }
}
