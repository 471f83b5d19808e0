package io.netchannel.demo.report;

import io.netchannel.demo.report.MigrationReport.Step;
import io.netchannel.demo.trace.RequestSpan;
import io.netchannel.demo.trace.RequestSpan.Ending;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * A migration as a picture (SVG): time from left to right, the source above, the guest in the
 * middle, the destination below; each request in flight is a line.
 *
 * <pre>
 *   source       | phases            |
 *                | requests ------   |  ---- handed over ----+
 *   guest        | runs | stands still | runs                |
 *   destination  |                 requests  ----------  &lt;---+
 *                | phases            |
 *                +--- ms ------------+
 * </pre>
 */
final class TimelinePicture {
  private static final int WIDTH = 1160;
  private static final int LEFT = 118;
  private static final int RIGHT = 16;
  private static final int PHASE_HEIGHT = 26;
  private static final int GUEST_HEIGHT = 30;
  private static final int LANE_HEIGHT = 5;
  private static final int LANES_PADDING = 10;
  private static final int AXIS_HEIGHT = 34;
  private static final int TOP = 4;

  /** Narrower phases have their name in the table only. */
  private static final int LABEL_CHAR_WIDTH = 7;

  private static final double SHORTEST_LINE = 2.5;
  private static final int TICKS = 10;

  /** Half of the widest tick's text. */
  private static final int TICK_ROOM = 16;

  /** Around the stop: enough to see the guest's I/O before and after. */
  private static final long LEAST_MARGIN_MICROS = 120_000;

  private static final double MARGIN_SHARE = 0.7;

  private final MigrationReport migration;
  private final long from;
  private final long to;
  private final StringBuilder svg = new StringBuilder();

  private record Lane(RequestSpan span, int number) {}

  private TimelinePicture(MigrationReport migration) {
    this.migration = migration;
    long margin = Math.max(LEAST_MARGIN_MICROS, (long) (migration.downtimeMicros() * MARGIN_SHARE));
    from = migration.stoppedMicros() - margin;
    to = migration.runsMicros() + margin;
  }

  static String of(MigrationReport migration) {
    return new TimelinePicture(migration).draw();
  }

  private String draw() {
    List<Lane> source = lanes(migration.source());
    List<Lane> destination = lanes(migration.destination());
    boolean requests = !migration.spans().isEmpty();
    int sourceTop = TOP + PHASE_HEIGHT + LANES_PADDING;
    int sourceHeight = requests ? height(source) : 0;
    int guestTop = sourceTop + sourceHeight + LANES_PADDING;
    int destinationTop = guestTop + GUEST_HEIGHT + LANES_PADDING;
    int destinationHeight = requests ? height(destination) : 0;
    int phasesTop = destinationTop + destinationHeight + LANES_PADDING;
    int bottom = phasesTop + PHASE_HEIGHT;
    add(
        "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">",
        WIDTH, bottom + AXIS_HEIGHT, Html.escape(migration.title()));
    stop(TOP, bottom);
    axis(TOP, bottom);
    label(TOP + PHASE_HEIGHT / 2, migration.source(), "host");
    if (requests) {
      label(sourceTop + sourceHeight / 2, "requests", "dim");
      label(destinationTop + destinationHeight / 2, "requests", "dim");
    }
    label(guestTop + GUEST_HEIGHT / 2, "guest", "host");
    label(phasesTop + PHASE_HEIGHT / 2, migration.destination(), "host");
    phases(migration.source(), TOP);
    requests(source, sourceTop);
    guest(guestTop);
    requests(destination, destinationTop);
    handOver(sourceTop + sourceHeight, destinationTop);
    guestNames(guestTop);
    phases(migration.destination(), phasesTop);
    svg.append("</svg>\n");
    return svg.toString();
  }

  /** Puts each span on the first lane that is free when it begins. */
  private List<Lane> lanes(String host) {
    List<Lane> lanes = new ArrayList<>();
    List<Long> freeFrom = new ArrayList<>();
    for (RequestSpan span : migration.spans()) {
      if (!span.host().equals(host) || span.toMicros() < from || span.fromMicros() > to) {
        continue;
      }
      int lane = 0;
      while (lane < freeFrom.size() && freeFrom.get(lane) > span.fromMicros()) {
        lane++;
      }
      if (lane == freeFrom.size()) {
        freeFrom.add(0L);
      }
      // A point in time is drawn as a short line: the next one must not cover it.
      long shortest = (long) ((to - from) * SHORTEST_LINE / (WIDTH - LEFT - RIGHT));
      freeFrom.set(lane, Math.max(span.toMicros(), span.fromMicros() + shortest));
      lanes.add(new Lane(span, lane));
    }
    return lanes;
  }

  private static int height(List<Lane> lanes) {
    int count = lanes.stream().mapToInt(Lane::number).max().orElse(0) + 1;
    return Math.max(count, 4) * LANE_HEIGHT;
  }

  private void stop(int top, int bottom) {
    double x = x(migration.stoppedMicros());
    add(
        "<rect class=\"stop\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>",
        x, top, x(migration.runsMicros()) - x, bottom - top);
  }

  private void axis(int top, int bottom) {
    long step = tickMicros();
    long first = Math.floorDiv(from - migration.stoppedMicros(), step) + 1;
    for (long tick = first; ; tick++) {
      long at = migration.stoppedMicros() + tick * step;
      double x = x(at);
      if (at > to || x > WIDTH - RIGHT - TICK_ROOM) {
        break;
      }
      add(
          "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>",
          x, top, x, bottom + 4);
      add(
          "<text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>",
          x, bottom + 18, tick == 0 ? "guest stops" : "%+d ms".formatted(tick * step / 1000));
    }
  }

  /** 1, 2 or 5 times a power of ten milliseconds. */
  private long tickMicros() {
    long least = (to - from) / TICKS;
    for (long power = 1_000; ; power *= 10) {
      for (int factor : new int[] {1, 2, 5}) {
        if (power * factor >= least) {
          return power * factor;
        }
      }
    }
  }

  private void label(int y, String text, String style) {
    add(
        "<text class=\"%s\" x=\"%d\" y=\"%d\" text-anchor=\"end\""
            + " dominant-baseline=\"central\">%s</text>",
        style, LEFT - 12, y, Html.escape(text));
  }

  /** A bar for each phase, and in it a line for each note. */
  private void phases(String host, int top) {
    List<Step> steps = migration.stepsOf(host);
    int next;
    for (int i = 0; i < steps.size(); i = next) {
      String phase = steps.get(i).phase();
      next = i + 1;
      while (next < steps.size() && steps.get(next).phase().equals(phase)) {
        next++;
      }
      // The last phase is for good.
      phase(steps.get(i), next < steps.size() ? steps.get(next).atMicros() : to, top);
      steps.subList(i + 1, next).forEach(step -> note(step, top));
    }
  }

  private void phase(Step step, long end, int top) {
    double x = x(step.atMicros());
    double width = Math.max(x(end) - x, step.atMicros() > to || end < from ? 0 : 1.5);
    if (width <= 0) {
      return;
    }
    add("<g><title>%s</title>", Html.escape(describe(step)));
    add(
        "<rect class=\"phase %s\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"3\"/>",
        "p-" + step.phase().toLowerCase(Locale.ROOT).replace('_', '-'),
        x,
        top,
        width,
        PHASE_HEIGHT);
    String name = step.phase().toLowerCase(Locale.ROOT).replace('_', ' ');
    if (width > name.length() * LABEL_CHAR_WIDTH + 6) {
      add(
          "<text class=\"phase-name\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\""
              + " dominant-baseline=\"central\">%s</text>",
          x + width / 2, top + PHASE_HEIGHT / 2 + 1, name);
    }
    svg.append("</g>\n");
  }

  private void note(Step step, int top) {
    if (step.atMicros() >= from && step.atMicros() <= to) {
      add(
          "<path class=\"note\" d=\"M%.1f %dv%d\"><title>%s</title></path>",
          x(step.atMicros()), top, PHASE_HEIGHT, Html.escape(describe(step)));
    }
  }

  private void requests(List<Lane> lanes, int top) {
    for (Lane lane : lanes) {
      RequestSpan span = lane.span();
      double begin = x(span.fromMicros());
      double end = Math.max(x(span.toMicros()), begin + SHORTEST_LINE);
      int y = top + lane.number() * LANE_HEIGHT + LANE_HEIGHT / 2;
      add(
          "<path class=\"r %s\" d=\"M%.1f %dH%.1f\"><title>%s</title></path>",
          style(span), begin, y, end, Html.escape(describe(span)));
    }
  }

  private void handOver(int sourceBottom, int destinationTop) {
    long sealed = atPhase(migration.source(), "HAND_OVER");
    long adopted =
        migration.spans().stream()
            .filter(span -> span.ending() == Ending.ADOPTED)
            .filter(span -> span.host().equals(migration.destination()))
            .mapToLong(RequestSpan::fromMicros)
            .min()
            .orElse(0);
    if (sealed == 0 || adopted == 0) {
      return;
    }
    double x1 = x(sealed);
    double x2 = x(adopted);
    int middle = (sourceBottom + destinationTop) / 2;
    add(
        "<path class=\"hand\" d=\"M%.1f %dC%.1f %d %.1f %d %.1f %d\"/>",
        x1, sourceBottom, x1, middle, x2, middle, x2, destinationTop);
    add("<path class=\"hand-tip\" d=\"M%.1f %dl-5 -9h10z\"/>", x2, destinationTop + 2);
  }

  private void guest(int top) {
    double stopped = x(migration.stoppedMicros());
    double runs = x(migration.runsMicros());
    bar(LEFT, stopped, top, "runs");
    bar(stopped, runs, top, "still");
    bar(runs, WIDTH - RIGHT, top, migration.moved() ? "moved" : "runs");
  }

  private void bar(double begin, double end, int top, String style) {
    add(
        "<rect class=\"guest %s\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>",
        style, begin, top, end - begin, GUEST_HEIGHT);
  }

  /** Over the arrow, which crosses the bars. */
  private void guestNames(int top) {
    double stopped = x(migration.stoppedMicros());
    double runs = x(migration.runsMicros());
    String where = migration.moved() ? migration.destination() : migration.source();
    name(LEFT, stopped, top, "", "runs on " + migration.source());
    name(stopped, runs, top, "halo", "stands still, " + Units.millis(migration.downtimeMicros()));
    name(runs, WIDTH - RIGHT, top, "", "runs on " + where);
  }

  private void name(double begin, double end, int top, String style, String text) {
    if (end - begin > text.length() * LABEL_CHAR_WIDTH) {
      add(
          "<text class=\"guest-name %s\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\""
              + " dominant-baseline=\"central\">%s</text>",
          style, (begin + end) / 2, top + GUEST_HEIGHT / 2 + 1, Html.escape(text));
    }
  }

  private static String style(RequestSpan span) {
    return switch (span.ending()) {
      case ANSWERED, OPEN -> "r-" + span.operation().replace("_barrier", "");
      case REPLAYED -> "r-replayed";
      case HANDED, ADOPTED -> "r-handed";
      case ANSWERED_UNSEEN -> "r-unseen";
    };
  }

  private static String describe(RequestSpan span) {
    return "%s of %s, %s, %s"
        .formatted(
            span.operation(),
            Units.bytes(span.lengthBytes()),
            Units.millis(span.toMicros() - span.fromMicros()),
            switch (span.ending()) {
              case ANSWERED -> "answered";
              case OPEN -> "not answered";
              case REPLAYED -> "answered from what the other host had done";
              case ANSWERED_UNSEEN -> "answered when the guest had stopped, handed over";
              case HANDED -> "handed over";
              case ADOPTED -> "adopted from the other host";
            });
  }

  private String describe(Step step) {
    return "%s on %s at %s, took %s: %s"
        .formatted(
            step.phase(),
            step.host(),
            Units.millis(step.atMicros() - migration.beginMicros()),
            Units.millis(step.tookMicros()),
            step.detail());
  }

  private long atPhase(String host, String phase) {
    return migration.stepsOf(host).stream()
        .filter(step -> step.phase().equals(phase))
        .mapToLong(Step::atMicros)
        .findFirst()
        .orElse(0);
  }

  private double x(long micros) {
    double share = (Math.min(Math.max(micros, from), to) - from) / (double) (to - from);
    return LEFT + share * (WIDTH - LEFT - RIGHT);
  }

  private void add(String format, Object... values) {
    svg.append(String.format(Locale.ROOT, format, values)).append('\n');
  }
}
