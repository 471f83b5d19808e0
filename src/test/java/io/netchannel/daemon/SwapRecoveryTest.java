package io.netchannel.daemon;

import static com.google.common.collect.ImmutableMap.toImmutableMap;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import com.google.common.collect.ImmutableMap;
import io.netchannel.coordinator.ConfiguredFaults;
import io.netchannel.coordinator.FaultPoints.Point;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.slf4j.LoggerFactory;

/**
 * What befalls a daemon at each point of a swap, while its guest writes. The journal alone says
 * which device is the disk, and the map where the other one is like it: what is not is overwritten
 * before the next daemon looks.
 */
@Timeout(300)
final class SwapRecoveryTest extends SwappedGuest {
  /** Who gets there never goes on, as in a process that is killed there. */
  private static final String DIES = "hang 24h";

  private static final int SOME_WRITES = 20;

  private final ListAppender<ILoggingEvent> events = new ListAppender<>();
  private final Logger logger = (Logger) LoggerFactory.getLogger(ConfiguredFaults.class);

  @BeforeEach
  void listen() {
    events.start();
    logger.addAppender(events);
  }

  @AfterEach
  void leave() {
    logger.detachAppender(events);
  }

  @Override
  ImmutableMap<String, String> faults() {
    return Arrays.stream(Point.values())
        .filter(point -> point.key().startsWith("job."))
        .collect(toImmutableMap(Point::key, point -> "file " + fault(point)));
  }

  /** What happens at the point, while it is there. */
  private Path fault(Point point) {
    return directory.resolve(point.key());
  }

  private boolean isReached(Point point) {
    return List.copyOf(events.list).stream()
        .anyMatch(event -> event.getFormattedMessage().startsWith("[faults] " + point.key()));
  }

  /** Where it is made to die the command has no answer. */
  private CompletableFuture<Void> swapLater(String source) {
    return CompletableFuture.runAsync(
        () -> {
          try {
            swap(source);
          } catch (ControlException e) {
            throw new IllegalStateException(e.getMessage(), e);
          }
        });
  }

  private static boolean isRecorded(Point point) {
    return switch (point) {
      case JOB_RECORDED, JOB_MOVED, JOB_ALONE -> true;
      case JOB_COPYING, JOB_SYNCED -> false;
      case DESTINATION_PREPARED,
          DESTINATION_SEALED,
          DESTINATION_TAKEN_OVER,
          SOURCE_PREPARED,
          SOURCE_SUSPENDED,
          SOURCE_SEALED,
          SOURCE_GIVEN ->
          throw new AssertionError("not of a swap: " + point);
    };
  }

  @ParameterizedTest
  @EnumSource(value = Point.class, names = "JOB_.*", mode = EnumSource.Mode.MATCH_ALL)
  void theDaemonDiesAndTheNextOneGoesOn(Point point) throws Exception {
    libvirt.away = true;
    String source = made("new", SIZE);
    Files.writeString(fault(point), DIES);
    CompletableFuture<Void> asked = swapLater(source);
    writesUntil("it gets to the point", () -> isReached(point));
    for (int i = 0; i < SOME_WRITES; i++) {
      write(random.nextInt(BLOCKS));
    }
    host.stopDaemon();
    if (isRecorded(point)) {
      overwrite("old");
    } else if (point == Point.JOB_COPYING) {
      overwrite("new"); // of which the map says that it may be anything
    }
    Files.delete(fault(point));
    host.startDaemon();
    await("its disk", () -> host.daemon().midPoints().isServing(domain.domid(), "xvdb"));
    if (isRecorded(point)) {
      assertThat(device()).containsEntry("source", source);
      assertThat(node("params")).isEqualTo(source);
      verify();
    }
    writesUntil("the switch", () -> isIn("switched"));
    writesUntil("libvirt is asked", () -> metadataProblem().contains("libvirt is away"));
    assertThat(libvirt.source).isEmpty();
    libvirt.away = false;
    host.daemon().libvirtIsBack();
    isSwitchedTo(source);
    end();
    assertThat(Files.readAllBytes(file("new"))).isEqualTo(content);
    isRefusedWithTheOldXml(source);
    startGuest(source);
    verify();
    assertThat(asked.isDone()).isEqualTo(point != Point.JOB_COPYING);
  }

  private String metadataProblem() {
    try {
      return String.valueOf(job("show").get("metadataProblem"));
    } catch (ControlException e) {
      throw new AssertionError(e);
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Point.class,
      names = {"JOB_SYNCED", "JOB_RECORDED", "JOB_MOVED", "JOB_ALONE"})
  void whatFailsOnceItHasBegunIsTriedAgain(Point point) throws Exception {
    String source = made("new", SIZE);
    Files.writeString(fault(point), "fail");
    swap(source);
    writesUntil("it fails", () -> isReached(point));
    Files.delete(fault(point));
    isSwitchedTo(source);
  }

  /** Its server would forget what it has lost, and what is there is relied on. */
  @Test
  void anAttemptThatFailsKeepsThePlaceOfTheNewDisk() throws Exception {
    Files.write(file("new"), new byte[(int) SIZE]);
    String source = "away:" + file("new");
    swap(source, "bandwidth", SLOW);
    writesUntil("some copies", () -> copied() > 0);
    host.stopDaemon();
    authority.clear();
    Files.writeString(fault(Point.JOB_COPYING), "fail");
    host.startDaemon();
    await("an attempt that fails", () -> authority.contains("place kept"));
    Files.delete(fault(Point.JOB_COPYING));
    job("bandwidth", "bandwidth", 0L);
    isSwitchedTo(source);
  }

  @ParameterizedTest
  @EnumSource(value = Point.class, names = "JOB_COPYING")
  void whatCannotBeginIsOver(Point point) throws Exception {
    String source = made("new", SIZE);
    Files.writeString(fault(point), "fail");
    assertThatThrownBy(() -> swap(source)).hasMessageContaining("[faults] job.copying");
    Files.delete(fault(point));
    assertThat(isIn("aborted")).isTrue();
    assertThat(device()).containsEntry("source", "file:" + file("old"));
    assertThat(node("follower")).isEmpty();
    swap(source);
    isSwitchedTo(source);
  }
}
