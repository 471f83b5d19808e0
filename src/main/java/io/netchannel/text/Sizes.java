package io.netchannel.text;

import java.util.Locale;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Bytes as people write them, in the configuration and on command lines: "512K", "50M", "2G". */
public final class Sizes {
  /** For messages: "expected a size such as ...". */
  public static final String EXAMPLES = "512K, 50M or 2G";

  /** As Java's own options, -Xmx for example; "512MiB" is understood too. */
  private static final Pattern FORM =
      Pattern.compile("\\s*(\\d{1,9})\\s*([KMG])(?:i?B)?\\s*", Pattern.CASE_INSENSITIVE);

  private Sizes() {}

  /** Bytes; empty when it is no size: no number, or no unit. */
  public static OptionalLong parse(String text) {
    Matcher form = FORM.matcher(text);
    if (!form.matches()) {
      return OptionalLong.empty();
    }
    long count = Long.parseLong(form.group(1));
    return OptionalLong.of(
        switch (form.group(2).toUpperCase(Locale.ROOT)) {
          case "K" -> count << 10;
          case "M" -> count << 20;
          default -> count << 30;
        });
  }
}
