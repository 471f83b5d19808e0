package io.netchannel.demo.trace;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.base.Splitter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Traces of two hosts, in short: "take 1/7" is an event of request 7 of generation 1. */
final class ExactlyOnceTest {
  private static final String MOVED_A = "take 1/1|issue 1/1|done 1/1|seal 1|hand 1/1 done|drop 1/1";
  private static final String MOVED_B = "adopt 1/1 done|serve 2|take 2/1|replay 2/1|answer 2/1";

  @TempDir private Path directory;

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "take 1/1|issue 1/1|done 1/1|answer 1/1|seen 1/1; serve 2",
        MOVED_A + ";" + MOVED_B,
        "take 1/1|seal 1|hand 1/1 unissued;adopt 1/1 unissued|issue 1/1|done 1/1|serve 2",
        "take 1/1|issue 1/1|done 1/1|seal 1|hand 1/1 done|unseal 1|answer 1/1; serve 2",
        "take 1/1|seal 1|hand 1/1 unissued|unseal 1|issue 1/1|done 1/1|answer 1/1; serve 2",
        "take 1/1|issue 1/1|done 1/1|answer 1/1|seal 1|hand 1/1 answered; adopt 1/1 answered",
        "take 1/1|issue 1/1|hold 1/1|issue 1/1|done 1/1|answer 1/1; serve 2",
        "take 1/1|issue 1/1|hold 1/1|drop 1/1; serve 2",
      })
  void rightOnesHaveNoViolation(String a, String b) throws IOException {
    assertThat(check(a, b).violations()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "take 1/1|take 1/1|answer 1/1; serve 2; taken twice",
        "take 1/1|answer 1/1|answer 1/1; serve 2; answered twice",
        "take 1/1|issue 1/1|done 1/1|issue 1/1|done 1/1|answer 1/1; serve 2; device twice",
        "take 1/1|issue 1/1|done 1/1; serve 2; no outcome",
        "take 1/1|issue 1/1|answer 1/1; serve 2; never come back",
        "answer 1/1; serve 2; never taken",
        MOVED_A + "; serve 2; nobody adopted",
        "take 1/1|answer 1/1; adopt 1/1 done; never handed over",
        MOVED_A + "; adopt 1/1 done|adopt 1/1 done; adopted twice",
        MOVED_A + "; adopt 1/1 unissued; as another request",
        MOVED_A + "|answer 1/1;" + MOVED_B + "; after the seal",
        "take 1/1|seal 1|hand 1/1 unissued|issue 1/1|done 1/1; adopt 1/1 unissued; after the seal",
        "take 1/1|issue 1/1|seal 1|hand 1/1 done|done 1/1; adopt 1/1 done; still ran",
        "take 1/1|seal 1|hand 1/1 unissued; adopt 1/1 unissued; not finished",
        "take 1/1|issue 1/1|done 1/1|seal 1|hand 1/1 done; adopt 1/1 done|issue 1/1; device twice",
      })
  void wrongOnesAreFound(String a, String b, String expected) throws IOException {
    assertThat(check(a, b).violations()).anyMatch(words -> words.contains(expected));
  }

  @Test
  void lineBeingWrittenIsLeftOut() throws IOException {
    Path file = directory.resolve("cut.jsonl");
    Files.writeString(file, line(1, "take 1/1") + line(2, "answer 1/1").substring(0, 20));

    assertThat(TraceEvent.read("hosta", file)).hasSize(1);
  }

  @Test
  void spansTellHowRequestsWent() throws IOException {
    List<RequestSpan> spans =
        RequestSpan.of(
            trace(
                "hosta",
                "take 1/1|take 1/2|take 1/3|answer 1/1|seal 1|hand 1/1 answered|hand 1/2 done|adopt"
                    + " 5/9 done|replay 1/3|answer 1/3"));

    assertThat(spans)
        .extracting(RequestSpan::ending)
        .containsExactly(
            RequestSpan.Ending.ANSWERED_UNSEEN,
            RequestSpan.Ending.HANDED,
            RequestSpan.Ending.REPLAYED,
            RequestSpan.Ending.ADOPTED);
    assertThat(spans.get(0).toMicros()).isEqualTo(4);
    assertThat(spans.get(1).toMicros()).isEqualTo(7);
  }

  private ExactlyOnce.Result check(String a, String b) throws IOException {
    return ExactlyOnce.check(List.of(trace("hosta", a), trace("hostb", b)));
  }

  private List<TraceEvent> trace(String host, String events) throws IOException {
    StringBuilder lines = new StringBuilder();
    int micros = 1;
    for (String event : Splitter.on('|').split(events)) {
      lines.append(line(micros++, event.strip()));
    }
    Path file = directory.resolve(host + ".jsonl");
    Files.writeString(file, lines);
    return TraceEvent.read(host, file);
  }

  /** "hand 1/7 done" as a mid-point writes it. */
  private static String line(int micros, String event) {
    List<String> words = Splitter.on(' ').splitToList(event);
    List<String> key = Splitter.on('/').splitToList(words.get(1));
    String request =
        key.size() < 2
            ? "\"pending\":0,\"incomplete\":0"
            : "\"seq\":%s,\"op\":\"write\",\"off\":4096,\"len\":4096".formatted(key.get(1));
    String state = words.size() < 3 ? "" : ",\"state\":\"" + words.get(2) + "\"";
    return "{\"t\":%d,\"gen\":%s,\"e\":\"%s\",%s%s}\n"
        .formatted(micros, key.get(0), words.get(0), request, state);
  }
}
