package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableList;
import io.netchannel.daemon.MetadataWriter.Outcome;
import io.netchannel.daemon.MetadataWriter.State;
import io.netchannel.libvirt.DomainMetadata.Definition;
import io.netchannel.libvirt.MetadataException;
import io.netchannel.libvirt.OtherSourceException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Its definitions are maps here, and its timer is the test's hand. */
final class MetadataWriterTest {
  private static final String OLD = "file:/old";
  private static final String NEW = "file:/new";

  private record Later(Duration delay, Runnable action) {}

  private final ArrayDeque<Later> timer = new ArrayDeque<>();
  private final Map<Definition, String> named = new EnumMap<>(Definition.class);
  private final List<Definition> asked = new ArrayList<>();
  private final List<String> told = new ArrayList<>();
  private Optional<String> away = Optional.empty();
  private Runnable whileAsked = () -> {};
  private final MetadataWriter writer =
      new MetadataWriter(
          this::changeSource,
          (delay, action) -> timer.add(new Later(delay, action)),
          "xvdb",
          OLD,
          NEW,
          this::changed);

  private boolean changeSource(
      Definition definition, String target, String oldSource, String newSource)
      throws MetadataException {
    assertThat(ImmutableList.of(target, oldSource, newSource)).containsExactly("xvdb", OLD, NEW);
    asked.add(definition);
    whileAsked.run();
    if (away.isPresent()) {
      throw new MetadataException(away.get());
    }
    String found = named.get(definition);
    if (found == null) {
      return false;
    }
    if (!found.equals(OLD) && !found.equals(NEW)) {
      throw new OtherSourceException(target, OLD, found);
    }
    named.put(definition, NEW);
    return true;
  }

  private void changed() {
    told.add(states());
  }

  private String states() {
    return "live %s, config %s"
        .formatted(writer.status().live().state(), writer.status().config().state());
  }

  private void bothName(String source) {
    named.put(Definition.LIVE, source);
    named.put(Definition.CONFIG, source);
  }

  /** Runs what is due next and returns after how long. */
  private Duration tick() {
    Later next = timer.remove();
    next.action().run();
    return next.delay();
  }

  @Test
  void bothAreWrittenTheConfigFirst() {
    bothName(OLD);
    writer.begin();
    assertThat(asked).as("on the caller's thread").isEmpty();
    assertThat(tick()).isZero();
    assertThat(asked).containsExactly(Definition.CONFIG, Definition.LIVE);
    assertThat(named.values()).containsOnly(NEW);
    assertThat(told).containsExactly("live WAITS, config WRITTEN", "live WRITTEN, config WRITTEN");
    assertThat(timer).isEmpty();
    assertThat(writer.status().problem()).isEmpty();
    assertThat(writer.status().settled()).isTrue();
  }

  @Test
  void beginsOnce() {
    bothName(OLD);
    writer.begin();
    writer.begin();
    assertThat(timer).hasSize(1);
    tick();
    writer.begin();
    assertThat(timer).isEmpty();
  }

  @Test
  void libvirtMayBeAwayForLong() {
    bothName(OLD);
    away = Optional.of("failed to connect");
    writer.begin();
    List<Long> delays = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      delays.add(tick().toSeconds());
    }
    assertThat(delays).containsExactly(0L, 1L, 2L, 4L, 8L, 16L, 30L, 30L);
    assertThat(told).as("it has waited all the time").isEmpty();
    assertThat(writer.status().problem())
        .contains("live: failed to connect; config: failed to connect");
    assertThat(writer.status().settled()).isFalse();
    away = Optional.empty();
    tick();
    assertThat(states()).isEqualTo("live WRITTEN, config WRITTEN");
    assertThat(timer).isEmpty();
  }

  @Test
  void onlyWhatWaitsIsAskedAgain() {
    bothName(OLD);
    whileAsked = () -> away = asked.size() == 2 ? Optional.of("busy") : Optional.empty();
    writer.begin();
    tick();
    assertThat(states()).isEqualTo("live WAITS, config WRITTEN");
    tick();
    assertThat(asked).containsExactly(Definition.CONFIG, Definition.LIVE, Definition.LIVE);
    assertThat(states()).isEqualTo("live WRITTEN, config WRITTEN");
  }

  @Test
  void toldAgainItAsksAtOnceAndBeginsToWaitFromTheFirstDelay() {
    bothName(OLD);
    away = Optional.of("failed to connect");
    writer.begin();
    tick();
    tick();
    Later late = timer.remove();
    assertThat(late.delay()).isEqualTo(Duration.ofSeconds(2));
    int before = asked.size();
    writer.again();
    assertThat(asked).as("on the caller's thread").hasSize(before);
    assertThat(tick()).isZero();
    assertThat(asked).hasSize(before + 2);
    assertThat(timer.peek().delay()).isEqualTo(Duration.ofSeconds(1));
    late.action().run();
    assertThat(asked).as("by the attempt that was superseded").hasSize(before + 2);
  }

  /** Never beside itself: a call to libvirt may last for a minute. */
  @Test
  void toldAgainWhileItAsksItAsksOnceMore() {
    bothName(OLD);
    away = Optional.of("failed to connect");
    writer.begin();
    whileAsked = writer::again;
    tick();
    whileAsked = () -> {};
    away = Optional.empty();
    assertThat(timer).hasSize(1);
    assertThat(tick()).isZero();
    assertThat(states()).isEqualTo("live WRITTEN, config WRITTEN");
  }

  @Test
  void toldAgainWhenAllIsRightItDoesNothing() {
    bothName(OLD);
    writer.begin();
    tick();
    writer.again();
    assertThat(timer).isEmpty();
  }

  @Test
  void askedAnewItLooksAtAllOfThem() {
    bothName(OLD);
    writer.begin();
    tick();
    named.put(Definition.CONFIG, OLD); // an old XML, by 'virsh define'
    told.clear();
    writer.anew();
    tick();
    assertThat(named).containsEntry(Definition.CONFIG, NEW);
    assertThat(told).as("nothing has changed").isEmpty();
    named.put(Definition.LIVE, "file:/third");
    writer.anew();
    tick();
    assertThat(told).containsExactly("live OTHER, config WRITTEN");
  }

  /** What is found while it is asked anew may be older than the words to do so. */
  @Test
  void askedAnewWhileItAsksItLooksAtAllOnceMore() {
    bothName(OLD);
    writer.begin();
    whileAsked = writer::anew;
    tick();
    whileAsked = () -> {};
    bothName(OLD);
    assertThat(tick()).isZero();
    assertThat(named.values()).containsOnly(NEW);
    assertThat(timer).isEmpty();
  }

  @Test
  void aThirdSourceIsLeftAlone() {
    bothName("file:/third");
    writer.begin();
    tick();
    assertThat(states()).isEqualTo("live OTHER, config OTHER");
    assertThat(writer.status().problem().orElseThrow())
        .contains("live: the XML names file:/third for xvdb now", "config: the XML names");
    assertThat(named.values()).containsOnly("file:/third");
    assertThat(timer).isEmpty();
    writer.again();
    assertThat(timer).isEmpty();
  }

  @Test
  void aDomainThatIsNotPersistentHasNoConfig() {
    named.put(Definition.LIVE, OLD);
    writer.begin();
    tick();
    assertThat(states()).isEqualTo("live WRITTEN, config NONE");
    assertThat(writer.status().config()).isEqualTo(new Outcome(State.NONE, Optional.empty()));
    assertThat(timer).isEmpty();
  }

  @Test
  void anErrorOfOursIsSaidAndTriedAgain() {
    bothName(OLD);
    whileAsked =
        () -> {
          throw new IllegalStateException("no thread");
        };
    writer.begin();
    tick();
    assertThat(writer.status().problem().orElseThrow()).contains("no thread");
    whileAsked = () -> {};
    tick();
    assertThat(states()).isEqualTo("live WRITTEN, config WRITTEN");
  }

  @Test
  void whoIsToldMayFail() {
    MetadataWriter failing =
        new MetadataWriter(
            this::changeSource,
            (delay, action) -> timer.add(new Later(delay, action)),
            "xvdb",
            OLD,
            NEW,
            () -> {
              throw new IllegalStateException("journal");
            });
    bothName(OLD);
    failing.begin();
    tick();
    assertThat(failing.status().settled()).isTrue();
    assertThat(named.values()).containsOnly(NEW);
    failing.anew();
    assertThat(timer).as("it is not asking for ever").hasSize(1);
  }

  @Test
  void closedItAsksAndTellsNothing() {
    bothName(OLD);
    away = Optional.of("failed to connect");
    writer.begin();
    tick();
    away = Optional.empty();
    writer.close();
    tick();
    writer.again();
    assertThat(asked).hasSize(2);
    assertThat(timer).isEmpty();
  }

  @Test
  void closedWhileItAsksItTellsNothing() {
    bothName(OLD);
    whileAsked = writer::close;
    writer.begin();
    tick();
    assertThat(told).isEmpty();
    assertThat(timer).isEmpty();
  }
}
