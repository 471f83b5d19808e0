package io.netchannel.libvirt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
final class HookEndpointTest {
  private static final String CALL = "hook guest start begin -\n<domain/>";

  @TempDir Path directory;

  @Test
  void answersCallsAndLetsOnlyItsOwnerIn() throws Exception {
    try (HookEndpoint endpoint = listen(call -> new HookReply(3, call.domain() + call.xml()))) {
      assertThat(ask(CALL)).isEqualTo("3\nguest<domain/>\n");
      assertThat(ask(CALL)).as("again").startsWith("3\n");
      assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(socket())))
          .isEqualTo("rw-------");
      assertThat(directory.toFile().list()).containsExactly("hook.sock");
      assertThat(endpoint).isNotNull();
    }
    assertThat(socket()).doesNotExist();
  }

  @Test
  void callsRunBesideEachOther() throws Exception {
    CountDownLatch both = new CountDownLatch(2);
    try (HookEndpoint endpoint =
        listen(
            call -> {
              both.countDown();
              await(both);
              return HookReply.OK;
            })) {
      assertThat(endpoint).isNotNull();
      SocketChannel first = send(CALL);
      SocketChannel second = send(CALL);
      assertThat(answer(first)).isEqualTo("0\n");
      assertThat(answer(second)).isEqualTo("0\n");
    }
  }

  @Test
  void refusesWhatItDoesNotUnderstandAndWhatIsTooLarge() throws Exception {
    LinkedBlockingQueue<HookCall> handled = new LinkedBlockingQueue<>();
    try (HookEndpoint endpoint =
        listen(
            call -> {
              handled.add(call);
              return HookReply.OK;
            })) {
      assertThat(endpoint).isNotNull();
      assertThat(ask("GET / HTTP/1.1\n\n")).startsWith("1\n").contains("expected \"hook DOMAIN");
      try (SocketChannel client = connect()) {
        ByteBuffer chunk = ByteBuffer.allocate(1 << 16);
        assertThatThrownBy(
                () -> {
                  for (int i = 0; i <= 2 * HookMessage.MAX_BYTES; i += chunk.capacity()) {
                    client.write(chunk.clear());
                  }
                })
            .isInstanceOf(IOException.class);
      }
      assertThat(handled).isEmpty();
      assertThat(ask(CALL)).isEqualTo("0\n");
    }
  }

  @Test
  void aHandlerThatFailsRefuses() throws Exception {
    try (HookEndpoint endpoint =
        listen(
            call -> {
              throw new IllegalStateException("lost my way");
            })) {
      assertThat(endpoint).isNotNull();
      assertThat(ask(CALL)).startsWith("1\n").contains("lost my way");
    }
  }

  @Test
  void anErrorInAHandlerIsAnAnswerToo() throws Exception {
    try (HookEndpoint endpoint =
        listen(
            call -> {
              if (call.operation().equals("prepare")) {
                throw new StackOverflowError("of a test");
              }
              return HookReply.OK;
            })) {
      assertThat(endpoint).isNotNull();
      assertThat(ask("hook guest prepare begin -\n<domain/>"))
          .startsWith("1\n")
          .contains("of a test");
      assertThat(ask(CALL)).isEqualTo("0\n");
    }
  }

  @Test
  void aCallForWhichThereIsNoThreadIsEndedAndItsPlaceIsFree() throws Exception {
    AtomicInteger shortage = new AtomicInteger(3);
    CountDownLatch all = new CountDownLatch(HookEndpoint.MAX_CALLS);
    try (HookEndpoint endpoint =
        HookEndpoint.listen(
            socket(),
            call -> {
              all.countDown();
              await(all);
              return HookReply.OK;
            },
            HookEndpoint.READ_BOUND,
            (task, name) -> {
              if (shortage.getAndDecrement() > 0) {
                throw new OutOfMemoryError("unable to create native thread");
              }
              return new Thread(task, name);
            })) {
      assertThat(endpoint).isNotNull();
      for (int i = 0; i < 3; i++) {
        try (SocketChannel client = connect()) {
          assertThat(answer(client)).isEmpty();
        }
      }
      List<SocketChannel> clients = new ArrayList<>();
      for (int i = 0; i < HookEndpoint.MAX_CALLS; i++) {
        clients.add(send(CALL));
      }
      for (SocketChannel client : clients) {
        assertThat(answer(client)).isEqualTo("0\n");
      }
    }
  }

  @Test
  void aClientThatVanishesOrSaysNothingHarmsNobody() throws Exception {
    CountDownLatch called = new CountDownLatch(1);
    CountDownLatch gone = new CountDownLatch(1);
    try (HookEndpoint endpoint =
        HookEndpoint.listen(
            socket(),
            call -> {
              if (call.operation().equals("started")) {
                called.countDown();
                await(gone);
              }
              return HookReply.OK;
            },
            Duration.ofMillis(50))) {
      assertThat(endpoint).isNotNull();
      SocketChannel vanishing = send("hook guest started begin -\n");
      await(called);
      vanishing.close();
      gone.countDown();
      try (SocketChannel silent = connect()) {
        assertThat(answer(silent)).as("ended by the bound").isEmpty();
      }
      assertThat(ask(CALL)).isEqualTo("0\n");
    }
  }

  @Test
  void moreCallsThanItTakesAreEndedAndPlaceIsFreeAfterwards() throws Exception {
    CountDownLatch running = new CountDownLatch(HookEndpoint.MAX_CALLS);
    CountDownLatch proceed = new CountDownLatch(1);
    try (HookEndpoint endpoint =
        listen(
            call -> {
              running.countDown();
              await(proceed);
              return HookReply.OK;
            })) {
      assertThat(endpoint).isNotNull();
      List<SocketChannel> clients = new ArrayList<>();
      for (int i = 0; i < HookEndpoint.MAX_CALLS; i++) {
        clients.add(send(CALL));
      }
      await(running);
      try (SocketChannel tooMany = connect()) {
        assertThat(answer(tooMany)).isEmpty();
      }
      proceed.countDown();
      for (SocketChannel client : clients) {
        assertThat(answer(client)).isEqualTo("0\n");
      }
    }
  }

  @Test
  void removesTheSocketOfAKilledProcessButNotThatOfALivingOne() throws Exception {
    ServerSocketChannel killed = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
    killed.bind(UnixDomainSocketAddress.of(socket()));
    killed.close();
    assertThat(socket()).exists();
    try (HookEndpoint endpoint = listen(call -> HookReply.OK)) {
      assertThat(endpoint).isNotNull();
      assertThat(ask(CALL)).isEqualTo("0\n");
      assertThatThrownBy(() -> listen(call -> HookReply.OK))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("another process listens there");
      assertThat(ask(CALL)).as("untouched").isEqualTo("0\n");
    }
  }

  private Path socket() {
    return directory.resolve("hook.sock");
  }

  private HookEndpoint listen(HookHandler handler) throws IOException {
    return HookEndpoint.listen(socket(), handler);
  }

  private SocketChannel connect() throws IOException {
    return SocketChannel.open(UnixDomainSocketAddress.of(socket()));
  }

  private SocketChannel send(String message) throws IOException {
    SocketChannel client = connect();
    ByteBuffer bytes = ByteBuffer.wrap(message.getBytes(StandardCharsets.UTF_8));
    while (bytes.hasRemaining()) {
      client.write(bytes);
    }
    return client.shutdownOutput();
  }

  private static String answer(SocketChannel client) throws IOException {
    try (client) {
      return new String(Channels.newInputStream(client).readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  private String ask(String message) throws IOException {
    return answer(send(message));
  }

  private static void await(CountDownLatch latch) {
    try {
      assertThat(latch.await(50, TimeUnit.SECONDS)).isTrue();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }
}
