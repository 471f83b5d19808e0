package io.netchannel.demo.report;

/** A figure with what it means, as text. */
public record Tile(String value, String text) {
  static Tile of(int value, String text) {
    return new Tile(Integer.toString(value), text);
  }

  String html() {
    return "<div><strong>%s</strong><span>%s</span></div>\n"
        .formatted(Html.escape(value), Html.escape(text));
  }
}
