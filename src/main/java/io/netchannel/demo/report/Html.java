package io.netchannel.demo.report;

import com.google.common.html.HtmlEscapers;

/** Text in HTML and SVG. */
final class Html {
  private Html() {}

  static String escape(String text) {
    return HtmlEscapers.htmlEscaper().escape(text);
  }
}
