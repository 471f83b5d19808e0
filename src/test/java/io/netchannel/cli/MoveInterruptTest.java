package io.netchannel.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.daemon.ControlEndpoint;
import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The command as a process of its own, told to end before its guest is at the destination. */
@Timeout(120)
final class MoveInterruptTest {
  @TempDir private Path directory;
  private ControlEndpoint endpoint;
  private Process process;
  private final List<Object> actions = new CopyOnWriteArrayList<>();
  private final CountDownLatch looks = new CountDownLatch(2);
  private final CountDownLatch asked = new CountDownLatch(1);
  private final CountDownLatch begins = new CountDownLatch(1);
  private volatile Told told =
      Told.in("copying").with("pivot", "manual").with("new", "netchannel://hostb/web1-xvdb");

  @BeforeEach
  void listen() throws Exception {
    endpoint =
        ControlEndpoint.open(
            directory.resolve("s"),
            request -> {
              if (request.get("command").equals("migrate")) {
                asked.countDown();
                awaitBegin();
                return Map.of(
                    "domain", "web1",
                    "uuid", "6695eb01-f6a4-8304-79aa-97f2502e193f",
                    "host", "hostb",
                    "jobs", List.of(told.json()),
                    "staying", List.of());
              }
              actions.add(request.get("action"));
              looks.countDown();
              return told.json();
            });
  }

  @AfterEach
  void close() throws InterruptedException {
    endpoint.close();
    if (process != null) {
      process.destroyForcibly().waitFor();
    }
  }

  private void awaitBegin() {
    try {
      begins.await();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  private void start() throws Exception {
    String classes =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                classes,
                Main.class.getName(),
                "migrate",
                "--with-storage",
                "web1",
                "hostb",
                "--socket",
                directory.resolve("s").toString())
            .redirectErrorStream(true)
            .start();
  }

  private void areGivenUp(String said) throws Exception {
    assertThat(process.waitFor()).isNotZero();
    assertThat(said)
        .contains(
            "xvdb of web1: given up, file:/dev/vg0/web1 is the disk; the volume"
                + " netchannel://hostb/web1-xvdb is left as it is\n");
    assertThat(actions).contains("abort");
  }

  @Test
  void itsCopiesAreGivenUp() throws Exception {
    begins.countDown();
    start();
    looks.await();
    process.toHandle().destroy();
    areGivenUp(new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8));
  }

  /** The daemon goes on with what it was asked for, whoever has asked. */
  @Test
  void copiesThatAreBeingBegunAreGivenUpOnceTheyAre() throws Exception {
    start();
    asked.await();
    process.toHandle().destroy();
    BufferedReader out = process.inputReader(StandardCharsets.UTF_8);
    assertThat(out.readLine())
        .isEqualTo("web1: the daemon is beginning its copies, and is waited for to give them up");
    assertThat(actions).isEmpty();
    begins.countDown();
    areGivenUp(out.lines().map(line -> line + "\n").collect(Collectors.joining()));
  }

  /** There is no libvirt here; whatever it says, the other host may have the disk by now. */
  @Test
  void whatShowsCopiesThatAreDecidedOverIsSaid() throws Exception {
    told = Told.in("sync").with("pivot", "manual").with("given", true);
    begins.countDown();
    start();
    BufferedReader out = process.inputReader(StandardCharsets.UTF_8);
    String line = out.readLine();
    while (!line.startsWith("waiting for hostb to say")) {
      line = out.readLine();
    }
    process.toHandle().destroy();
    assertThat(out.lines())
        .contains(
            "web1: libvirt has done with it; 'netchannel jobs web1' shows what becomes of its"
                + " copies");
    assertThat(process.waitFor()).isNotZero();
    assertThat(actions).doesNotContain("abort");
  }
}
