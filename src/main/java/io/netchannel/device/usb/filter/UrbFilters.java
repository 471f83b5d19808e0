package io.netchannel.device.usb.filter;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.SourceFilter;
import io.netchannel.device.usb.UsbDevice;
import java.time.Clock;
import java.util.concurrent.ScheduledExecutorService;

/**
 * The filters that the source text of a USB device can name:
 *
 * <pre>
 *   filter  := "delay:" options   {@link UrbDelay}
 *            | "error:" options   {@link UrbErrors}
 *            | "trace:" path      {@link UrbTrace}
 * </pre>
 */
public final class UrbFilters {
  private UrbFilters() {}

  /**
   * By their names.
   *
   * @param timer runs delays, and completes what fails; ended by who made it, after all devices
   * @param clock stamps traces
   */
  public static ImmutableMap<String, SourceFilter.Kind<UsbDevice>> all(
      ScheduledExecutorService timer, Clock clock) {
    return ImmutableMap.of(
        "delay", text -> UrbDelay.parse(text, timer),
        "error", text -> UrbErrors.parse(text, timer),
        "trace", text -> UrbTrace.parse(text, clock));
  }
}
