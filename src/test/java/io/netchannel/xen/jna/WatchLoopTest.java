package io.netchannel.xen.jna;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.netchannel.threads.LastResort;
import io.netchannel.xen.Waiting;
import io.netchannel.xen.XenStore;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.slf4j.LoggerFactory;

/** The thread that hears of guests, on the real xenstored: what ends it, and what does not. */
@Timeout(120)
final class WatchLoopTest {
  private static final String PATH = "/local/watched";

  private final List<String> ends = new CopyOnWriteArrayList<>();
  private final ListAppender<ILoggingEvent> events = new ListAppender<>();
  private final Logger logger = (Logger) LoggerFactory.getLogger(WatchLoop.class);
  private final RealXenStored xenstored = RealXenStored.start();
  private LastResort last;
  private XenStore store;

  @BeforeEach
  void connect() {
    last = LastResort.install((what, why) -> ends.add(what + ": " + why.getMessage()));
    store = xenstored.connect(0);
    events.start();
    logger.addAppender(events);
  }

  @AfterEach
  void close() {
    logger.detachAppender(events);
    xenstored.close();
    last.close();
  }

  @Test
  void whatAListenerThrowsKeepsNobodyFromHearing() {
    AtomicInteger throwing = new AtomicInteger();
    AtomicInteger heard = new AtomicInteger();
    var unused =
        store.watch(
            PATH,
            path -> {
              if (throwing.incrementAndGet() % 2 == 0) {
                throw new StackOverflowError("of a test");
              }
              throw new IllegalStateException("of a test");
            });
    var other = store.watch(PATH, path -> heard.incrementAndGet());
    Waiting.until("each watch fires once by itself", () -> throwing.get() > 0 && heard.get() > 0);
    int before = heard.get();
    for (int i = 0; i < 2; i++) {
      int thrown = throwing.get();
      store.write(PATH, "changed " + i);
      Waiting.until("the next throw", () -> throwing.get() > thrown);
    }
    Waiting.until("the other one hears all", () -> heard.get() == before + 2);
    assertThat(ends).isEmpty();
    other.close();
  }

  /** Nobody hears of guests that come and go; and before it is back the next daemon could not. */
  @Test
  void theDeathOfXenstoredIsTheEndOfTheProcessOnceItIsBack() throws Exception {
    AtomicInteger heard = new AtomicInteger();
    var unused = store.watch(PATH, path -> heard.incrementAndGet());
    Waiting.until("it is read", () -> heard.get() > 0);
    xenstored.kill();
    Waiting.until("that it is told", () -> !told().isEmpty());
    assertThat(ends).as("running guests have their disks").isEmpty();
    assertThat(told()).singleElement().asString().contains("disks of running guests go on");
    xenstored.startAgain();
    Waiting.until("the end", () -> !ends.isEmpty());
    assertThat(ends)
        .singleElement()
        .asString()
        .startsWith(
            "thread xenstore-watch has ended by an error: the connection to xenstored is lost");
  }

  @Test
  void whoClosesItWhileXenstoredIsAwayEndsInSilence() {
    var unused = store.watch(PATH, path -> {});
    xenstored.kill();
    Waiting.until("that it is told", () -> !told().isEmpty());
    store.close();
    isOver();
  }

  @Test
  void whoClosesItEndsInSilence() {
    var unused = store.watch(PATH, path -> {});
    store.close();
    isOver();
  }

  private void isOver() {
    Waiting.until(
        "the end of its thread",
        () ->
            Thread.getAllStackTraces().keySet().stream()
                .noneMatch(thread -> thread.getName().equals("xenstore-watch")));
    assertThat(ends).isEmpty();
  }

  private List<String> told() {
    return List.copyOf(events.list).stream()
        .filter(event -> event.getLevel() == Level.ERROR)
        .map(ILoggingEvent::getFormattedMessage)
        .toList();
  }
}
