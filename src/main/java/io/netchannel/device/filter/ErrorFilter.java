package io.netchannel.device.filter;

import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.ForwardingDevice;
import io.netchannel.device.Outcome;
import io.netchannel.device.SourceFilter;
import io.netchannel.device.SourceOptions;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Random;

/**
 * Fails requests without sending them to the device: {@code
 * error:read=100,write=0.01,kind=nospace,seed=7}. Each kind of request has a {@link FailureRule}.
 * {@code kind} is io (the default) or nospace.
 */
public final class ErrorFilter extends ForwardingDevice {
  static final List<String> OPTIONS =
      List.of("read", "write", "flush", "discard", "zero", "kind", "seed");

  /** Says for each request of a kind whether it fails; called under the filter's lock. */
  public record Failures(
      FailureRule read,
      FailureRule write,
      FailureRule flush,
      FailureRule discard,
      FailureRule zero) {}

  private final Failures failures;
  private final Outcome failure;

  /**
   * @param failure what a failed request is answered with
   */
  public ErrorFilter(Device device, Failures failures, Outcome failure) {
    super(device);
    this.failures = failures;
    this.failure = failure;
  }

  /** Reads the options of the text form. */
  public static SourceFilter<Device> parse(String text) throws DeviceException {
    SourceOptions options = new SourceOptions("filter error", text, OPTIONS);
    Random random = new Random(options.number("seed", 0));
    Failures failures =
        new Failures(
            FailureRule.of("error", options, "read", random),
            FailureRule.of("error", options, "write", random),
            FailureRule.of("error", options, "flush", random),
            FailureRule.of("error", options, "discard", random),
            FailureRule.of("error", options, "zero", random));
    String kind = options.text("kind").orElse("io");
    Outcome failure =
        switch (kind) {
          case "io" -> Outcome.IO_ERROR;
          case "nospace" -> Outcome.NO_SPACE;
          default ->
              throw new DeviceException(
                  "filter error: kind=%s is unknown; known are io and nospace".formatted(kind));
        };
    return device -> new ErrorFilter(device, failures, failure);
  }

  @Override
  public void read(long offsetBytes, ByteBuffer data, Completion completion) {
    if (fails(failures.read)) {
      completion.complete(failure);
    } else {
      device.read(offsetBytes, data, completion);
    }
  }

  @Override
  public void write(long offsetBytes, ByteBuffer data, Completion completion) {
    if (fails(failures.write)) {
      completion.complete(failure);
    } else {
      device.write(offsetBytes, data, completion);
    }
  }

  @Override
  public void flush(Completion completion) {
    if (fails(failures.flush)) {
      completion.complete(failure);
    } else {
      device.flush(completion);
    }
  }

  @Override
  public void discard(long offsetBytes, long lengthBytes, Completion completion) {
    if (fails(failures.discard)) {
      completion.complete(failure);
    } else {
      device.discard(offsetBytes, lengthBytes, completion);
    }
  }

  @Override
  public void zero(
      long offsetBytes, long lengthBytes, boolean mayDeallocate, Completion completion) {
    if (fails(failures.zero)) {
      completion.complete(failure);
    } else {
      device.zero(offsetBytes, lengthBytes, mayDeallocate, completion);
    }
  }

  private synchronized boolean fails(FailureRule rule) {
    return rule.fails();
  }
}
