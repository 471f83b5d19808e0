package io.netchannel.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

final class ProgressLineTest {
  private final StringWriter written = new StringWriter();
  private long now = Long.MAX_VALUE - TimeUnit.SECONDS.toNanos(3); // it may wrap around

  private ProgressLine line(boolean terminal) {
    return new ProgressLine(new PrintWriter(written), terminal, () -> now);
  }

  private String taken() {
    String text = written.toString();
    written.getBuffer().setLength(0);
    return text;
  }

  private void pass(long millis) {
    now += TimeUnit.MILLISECONDS.toNanos(millis);
  }

  @Test
  void aTerminalsLineIsRedrawnAndDoesNotWrap() {
    ProgressLine line = line(true);
    line.show("copying", "a long one");
    assertThat(taken()).isEqualTo("\r\u001b[?7la long one\u001b[K\u001b[?7h");
    line.show("copying", "short");
    assertThat(taken()).isEqualTo("\r\u001b[?7lshort\u001b[K\u001b[?7h").doesNotContain("\n");
    line.last("done");
    assertThat(taken()).isEqualTo("\r\u001b[Kdone\n");
    line.leave();
    assertThat(taken()).isEmpty();
  }

  @Test
  void leftATerminalsLineStands() {
    ProgressLine line = line(true);
    line.show("copying", "half");
    taken();
    line.leave();
    assertThat(taken()).isEqualTo("\n");
    line.leave();
    line.show("copying", "more");
    assertThat(taken()).as("after it was left").isEmpty();
    line.last("done");
    assertThat(taken()).isEqualTo("done\n");
  }

  @Test
  void aLineThatWasNeverDrawnIsNotLeft() {
    line(true).leave();
    assertThat(taken()).isEmpty();
  }

  @Test
  void aFileGetsALineEachTenSeconds() {
    ProgressLine line = line(false);
    line.show("copying", "1 %");
    assertThat(taken()).isEqualTo("1 %\n");
    for (int i = 0; i < 19; i++) {
      pass(500);
      line.show("copying", "2 %");
    }
    assertThat(taken()).isEmpty();
    pass(500);
    line.show("copying", "3 %");
    assertThat(taken()).isEqualTo("3 %\n");
    pass(9_999);
    line.show("copying", "4 %");
    assertThat(taken()).isEmpty();
  }

  @Test
  void aFileGetsALineAtOnceWhenItIsSomethingElse() {
    ProgressLine line = line(false);
    line.show("copying", "1 %");
    pass(500);
    line.show("paused", "no room");
    pass(500);
    line.show("paused", "no room");
    line.last("failed");
    assertThat(taken()).isEqualTo("1 %\nno room\nfailed\n");
  }
}
