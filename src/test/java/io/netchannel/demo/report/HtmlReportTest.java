package io.netchannel.demo.report;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.demo.report.MigrationReport.Step;
import io.netchannel.demo.trace.RequestKey;
import io.netchannel.demo.trace.RequestSpan;
import io.netchannel.demo.trace.RequestSpan.Ending;
import java.io.StringReader;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.xml.sax.InputSource;

final class HtmlReportTest {
  private static final long T = 1_700_000_000_000_000L;

  private static final MigrationReport MIGRATION =
      new MigrationReport(
          "From <a> to b",
          "a",
          "b",
          true,
          "",
          T,
          T + 100_000,
          3,
          2,
          1,
          Map.of("done", 1, "unissued", 1),
          1,
          120_000,
          List.of(
              new Step("a", "PRECOPY", T - 900_000, 900_000, "1 disk"),
              new Step("a", "SEAL", T, 40_000, "asked"),
              new Step("a", "HAND_OVER", T + 40_000, 20_000, ""),
              new Step("b", "TAKE_OVER", T + 50_000, 20_000, "generation 2 & more")),
          List.of(
              span("a", 1, T - 50_000, T - 10_000, Ending.ANSWERED),
              span("a", 2, T - 50_000, T + 40_000, Ending.HANDED),
              span("b", 2, T + 60_000, T + 60_000, Ending.ADOPTED),
              span("b", 3, T + 110_000, T + 111_000, Ending.REPLAYED)));

  @Test
  void pictureIsWellFormed() throws Exception {
    Document picture =
        DocumentBuilderFactory.newInstance()
            .newDocumentBuilder()
            .parse(new InputSource(new StringReader(TimelinePicture.of(MIGRATION))));

    assertThat(picture.getDocumentElement().getAttribute("aria-label")).isEqualTo("From <a> to b");
    // Four requests, the arrow and its tip.
    assertThat(picture.getElementsByTagName("path").getLength()).isEqualTo(6);
  }

  @Test
  void notesAreLinesInTheBarOfTheirPhase() throws Exception {
    MigrationReport noted =
        new MigrationReport(
            "noted",
            "a",
            "b",
            true,
            "",
            T,
            T + 100_000,
            0,
            0,
            0,
            Map.of(),
            0,
            0,
            List.of(
                new Step("a", "SEAL", T, 40_000, "asked"),
                new Step("a", "SEAL", T + 1_000, 1_000, "guest <suspended>"),
                new Step("a", "SEAL", T + 900_000, 1_000, "outside of the picture"),
                new Step("b", "RESUME", T + 100_000, 0, "hook answered")),
            List.of());
    Document picture =
        DocumentBuilderFactory.newInstance()
            .newDocumentBuilder()
            .parse(new InputSource(new StringReader(TimelinePicture.of(noted))));

    assertThat(picture.getElementsByTagName("path").getLength()).as("notes").isEqualTo(1);
    assertThat(picture.getElementsByTagName("path").item(0).getTextContent())
        .contains("guest <suspended>");
    assertThat(picture.getDocumentElement().getTextContent()).doesNotContain("requests");
  }

  @Test
  void pageIsSelfContained() {
    String page = HtmlReport.of(report(true));

    assertThat(page)
        .contains("From &lt;a&gt; to b", "generation 2 &amp; more", "all 1 verdicts hold")
        .doesNotContain("http:", "https:", "<script", "<link", "src=");
  }

  @Test
  void failureShows() {
    assertThat(HtmlReport.of(report(false))).contains("1 of 1 verdicts failed", "class=\"bad\"");
    assertThat(JsonReport.of(report(false))).contains("\"verdict\" : \"fail\"");
    assertThat(JsonReport.of(report(true))).contains("\"verdict\" : \"pass\"");
  }

  @Test
  void nothingCheckedIsNoSuccess() {
    DemoReport empty =
        new DemoReport(Instant.EPOCH, Duration.ZERO, "1", 1, Map.of(), List.of(), List.of());

    assertThat(empty.holds()).isFalse();
  }

  private static DemoReport report(boolean holds) {
    return new DemoReport(
        Instant.EPOCH,
        Duration.ofSeconds(30),
        "0.1",
        42,
        Map.of("requests", "9"),
        List.of(MIGRATION),
        List.of(new Verdict("the disk is right", holds, "9 blocks")));
  }

  private static RequestSpan span(String host, long sequence, long from, long to, Ending ending) {
    return new RequestSpan(host, new RequestKey(1, sequence), "write", 4096, from, to, ending);
  }
}
