package io.netchannel.net;

import com.google.common.base.Splitter;
import com.google.common.collect.ImmutableList;
import java.util.List;
import java.util.regex.Pattern;

/**
 * How the source of a disk with two legs is written: {@code mirror:LEG,LEG}, where each leg is the
 * source of an export, as {@code netchannel://hosta/web1}.
 */
public final class MirrorSource {
  public static final String SCHEME = "mirror";

  /** With which the source of an export begins. */
  public static final String LEG_SCHEME = "netchannel";

  private static final String PREFIX = SCHEME + ":";

  /** A leg begins there: the path of a socket may have a comma. */
  private static final Splitter LEGS =
      Splitter.on(Pattern.compile(",(?=" + Pattern.quote(LEG_SCHEME) + ")"));

  private MirrorSource() {}

  /** Whether a source is written so, well or not. */
  public static boolean is(String source) {
    return source.startsWith(PREFIX);
  }

  /** What a source names as its legs, of whatever number; none for one of another scheme. */
  public static ImmutableList<String> legs(String source) {
    return is(source)
        ? ImmutableList.copyOf(LEGS.splitToList(source.substring(PREFIX.length())))
        : ImmutableList.of();
  }

  /** The source of a disk with these legs. */
  public static String of(List<String> legs) {
    return PREFIX + String.join(",", legs);
  }
}
