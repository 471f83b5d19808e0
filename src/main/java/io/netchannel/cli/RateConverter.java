package io.netchannel.cli;

import io.netchannel.text.Sizes;
import java.util.OptionalLong;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Bytes per second as people write them; 0 is no bound. */
final class RateConverter implements ITypeConverter<Long> {
  @Override
  public Long convert(String text) {
    OptionalLong size = text.strip().equals("0") ? OptionalLong.of(0) : Sizes.parse(text);
    return size.orElseThrow(
        () ->
            new TypeConversionException(
                "expected bytes per second such as %s, or 0 for no bound, found %s"
                    .formatted(Sizes.EXAMPLES, text)));
  }
}
