package io.netchannel.rehearsal;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.turbo.TurboFilter;
import ch.qos.logback.core.spi.FilterReply;
import org.slf4j.LoggerFactory;
import org.slf4j.Marker;

/**
 * Keeps out of the log, while it is open, what names a rehearsal. By what is said and not by who
 * says it: gRPC's threads serve a rehearsal and the real thing alike.
 */
final class QuietLog extends TurboFilter {
  private final LoggerContext logs;
  private final String mark;

  private QuietLog(LoggerContext logs, String mark) {
    this.logs = logs;
    this.mark = mark;
  }

  /**
   * Silences from now on.
   *
   * @param mark in the name of everything that a rehearsal has, and of nothing else
   */
  static QuietLog of(String mark) {
    LoggerContext logs = (LoggerContext) LoggerFactory.getILoggerFactory();
    QuietLog quiet = new QuietLog(logs, mark);
    quiet.setContext(logs);
    quiet.start();
    logs.addTurboFilter(quiet);
    return quiet;
  }

  @Override
  public FilterReply decide(
      Marker marker,
      Logger logger,
      Level level,
      String format,
      Object[] parameters,
      Throwable problem) {
    // Filters are asked before levels are looked at; most calls are below theirs.
    if (format == null || level.toInt() < logger.getEffectiveLevel().toInt()) {
      return FilterReply.NEUTRAL;
    }
    boolean marked = format.contains(mark) || namesIt(problem);
    if (parameters != null) {
      for (Object parameter : parameters) {
        marked |= String.valueOf(parameter).contains(mark);
      }
    }
    return marked ? FilterReply.DENY : FilterReply.NEUTRAL;
  }

  private boolean namesIt(Throwable problem) {
    return problem != null && String.valueOf(problem.getMessage()).contains(mark);
  }

  void close() {
    logs.getTurboFilterList().remove(this);
    stop();
  }
}
