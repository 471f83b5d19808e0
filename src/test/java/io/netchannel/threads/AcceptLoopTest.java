package io.netchannel.threads;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.xen.Waiting;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class AcceptLoopTest {
  /** Far more than it meets in the pauses of a test. */
  private static final int MANY = 100_000;

  /** What the next accepts and takes throw. */
  private final BlockingQueue<Throwable> accepts = new LinkedBlockingQueue<>();

  private final BlockingQueue<Throwable> takes = new LinkedBlockingQueue<>();
  private final BlockingQueue<SocketChannel> taken = new LinkedBlockingQueue<>();
  private final BlockingQueue<String> ends = new LinkedBlockingQueue<>();
  private ServerSocketChannel server;
  private LastResort last;

  @BeforeEach
  void listen() throws Exception {
    last = LastResort.install((what, why) -> ends.add(what + ": " + why.getMessage()));
    server = ServerSocketChannel.open();
    server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
  }

  @AfterEach
  void close() throws Exception {
    server.close();
    last.close();
  }

  private AcceptLoop start() {
    return AcceptLoop.start(
        "test-accept",
        new AcceptLoop.Source() {
          @Override
          public SocketChannel accept() throws IOException {
            throwNext(accepts);
            return server.accept();
          }

          @Override
          public void close() throws IOException {
            server.close();
          }
        },
        client -> {
          throwNext(takes);
          taken.add(client);
        });
  }

  private static void throwNext(BlockingQueue<Throwable> failures) throws IOException {
    Throwable next = failures.poll();
    if (next instanceof IOException e) {
      throw e;
    }
    if (next instanceof RuntimeException e) {
      throw e;
    }
    if (next instanceof Error e) {
      throw e;
    }
  }

  private SocketChannel connect() throws IOException {
    return SocketChannel.open(server.getLocalAddress());
  }

  private SocketChannel taken() throws InterruptedException {
    SocketChannel client = taken.poll(30, TimeUnit.SECONDS);
    assertThat(client).as("a connection that was taken").isNotNull();
    return client;
  }

  @Test
  void noFailureOfAnAcceptEndsIt() throws Exception {
    accepts.add(new SocketException("Too many open files"));
    accepts.add(new IllegalStateException("of a test"));
    accepts.add(new OutOfMemoryError("of a test"));
    try (AcceptLoop loop = start();
        SocketChannel client = connect()) {
      assertThat(loop).isNotNull();
      assertThat(client.isConnected()).isTrue();
      taken().close();
    }
    assertThat(accepts).isEmpty();
    assertThat(ends).isEmpty();
  }

  /** What it is short of does not come back sooner by its asking. */
  @Test
  void itPausesAfterAFailureAndEndsInAPause() throws Exception {
    for (int i = 0; i < MANY; i++) {
      accepts.add(new SocketException("Too many open files"));
    }
    AcceptLoop loop = start();
    Waiting.until("it pauses", () -> thread().filter(AcceptLoopTest::pauses).isPresent());
    assertThat(accepts).as("failures to come").isNotEmpty();
    loop.close();
    Waiting.until("its end", () -> thread().isEmpty());
    assertThat(ends).isEmpty();
  }

  private static Optional<Thread> thread() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(each -> each.getName().equals("test-accept"))
        .findFirst();
  }

  private static boolean pauses(Thread thread) {
    return thread.getState() == Thread.State.TIMED_WAITING;
  }

  @Test
  void aConnectionWhoseTakerFailsIsClosedAndTheNextOneTaken() throws Exception {
    takes.add(new ClosedChannelException());
    takes.add(new IllegalStateException("of a test"));
    takes.add(new OutOfMemoryError("unable to create native thread"));
    int failing = takes.size();
    try (AcceptLoop loop = start()) {
      assertThat(loop).isNotNull();
      for (int i = 0; i < failing; i++) {
        try (SocketChannel client = connect()) {
          assertThat(client.socket().getInputStream().read()).as("its end").isEqualTo(-1);
        }
      }
      try (SocketChannel client = connect()) {
        assertThat(client.isConnected()).isTrue();
        taken().close();
      }
    }
    assertThat(ends).isEmpty();
  }

  @Test
  void itEndsInSilenceOnlyWhenItWasToldTo() throws Exception {
    AcceptLoop told = start();
    told.close();
    told.close();
    assertThat(server.isOpen()).isFalse();
    assertThat(ends).isEmpty();

    listenAgain();
    AcceptLoop untold = start();
    server.close();
    assertThat(ends.poll(30, TimeUnit.SECONDS))
        .contains("test-accept")
        .contains("closed by somebody else");
    assertThat(ends).isEmpty();
    untold.close();
  }

  private void listenAgain() throws IOException {
    server = ServerSocketChannel.open();
    server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
  }
}
