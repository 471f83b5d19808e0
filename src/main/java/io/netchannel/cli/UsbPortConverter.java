package io.netchannel.cli;

import io.netchannel.libvirt.DomainDevices.Usb;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** A USB port of a guest. */
final class UsbPortConverter implements ITypeConverter<Integer> {
  @Override
  public Integer convert(String text) {
    try {
      int port = Integer.parseInt(text);
      if (port >= 1 && port <= Usb.MAX_PORT) {
        return port;
      }
    } catch (NumberFormatException e) {
      // As one that is out of range.
    }
    throw new TypeConversionException(
        "expected a port from 1 to %d, found %s".formatted(Usb.MAX_PORT, text));
  }
}
