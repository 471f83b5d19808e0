package io.netchannel.demo.report;

import com.google.common.io.Resources;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/** A page that needs nothing else: no network, no script. */
final class HtmlPage {
  private static final String STYLE = "report.css";

  private HtmlPage() {}

  /**
   * The page.
   *
   * @param title text
   * @param body HTML
   */
  static String of(String title, String body) {
    return """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <title>%s</title>
    <style>
    %s</style>
    </head>
    <body>
    <main>
    %s</main>
    </body>
    </html>
    """
        .formatted(Html.escape(title), style(), body);
  }

  private static String style() {
    try {
      return Resources.toString(
          Resources.getResource(HtmlPage.class, STYLE), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException("the jar has no " + STYLE + " beside this class", e);
    }
  }
}
