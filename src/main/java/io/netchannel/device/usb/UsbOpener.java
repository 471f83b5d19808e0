package io.netchannel.device.usb;

import com.google.common.collect.ImmutableSortedMap;
import io.netchannel.device.DeviceException;
import io.netchannel.device.SourceFilter;
import io.netchannel.device.SourceText;
import java.util.Map;

/**
 * Opens USB devices by their source text, of the kinds and with the filters that it was given:
 *
 * <pre>
 *   source := { filter "!" } device
 *   device := scheme ":" text
 * </pre>
 *
 * for example {@code delay:bulk=20ms!usb-soft:stick,size=64M}. How it is taken apart is that of
 * every source ({@link SourceText}).
 */
public final class UsbOpener {
  private final Map<String, UsbKind> kinds;
  private final Map<String, SourceFilter.Kind<UsbDevice>> filters;

  /**
   * Knows these.
   *
   * @param kinds by their schemes
   * @param filters by their names
   */
  public UsbOpener(Map<String, UsbKind> kinds, Map<String, SourceFilter.Kind<UsbDevice>> filters) {
    this.kinds = ImmutableSortedMap.copyOf(kinds);
    this.filters = ImmutableSortedMap.copyOf(filters);
  }

  /**
   * Opens a device with its filters, also where nothing is plugged at present.
   *
   * @throws DeviceException when the text is no source or the device cannot be opened
   */
  public UsbDevice open(String source, UsbOpenOptions options) throws DeviceException {
    SourceText<UsbDevice, UsbKind> parsed = parse(source);
    return parsed.around(parsed.kind().open(parsed.text(), options));
  }

  /**
   * The newest generation with which this user has used the device, as far as the device itself
   * knows that; 0 otherwise. Who starts anew takes a newer one.
   *
   * @param user its name, as in {@link UsbOpenOptions.User}
   */
  public long newestGeneration(String source, String user) throws DeviceException {
    SourceText<UsbDevice, UsbKind> parsed = parse(source);
    return parsed.kind().newestGeneration(parsed.text(), user);
  }

  /**
   * Gives the place of a user free that has gone, and whose server may have kept it ({@link
   * UsbDevice#keepPlace}) from all others. Nothing where somebody newer has it.
   *
   * @param options as it was used last
   * @throws DeviceException when that is not known to be done
   */
  public void giveFree(String source, UsbOpenOptions options) throws DeviceException {
    SourceText<UsbDevice, UsbKind> parsed = parse(source);
    parsed.kind().giveFree(parsed.text(), options);
  }

  /**
   * Checks the text of a source without opening anything.
   *
   * @throws DeviceException when it names unknown things or options
   */
  public void check(String source) throws DeviceException {
    SourceText<UsbDevice, UsbKind> parsed = parse(source);
    parsed.kind().check(parsed.text());
  }

  /**
   * The device alone, without filters: two sources of one place are the same device. Only says how
   * it is written.
   *
   * @throws DeviceException when the text is no source
   */
  public String place(String source) throws DeviceException {
    SourceText<UsbDevice, UsbKind> parsed = parse(source);
    return parsed.scheme() + ":" + parsed.text();
  }

  private SourceText<UsbDevice, UsbKind> parse(String source) throws DeviceException {
    return SourceText.parse(source, kinds, filters);
  }
}
