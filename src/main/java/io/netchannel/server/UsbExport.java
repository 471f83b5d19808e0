package io.netchannel.server;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.DeviceException;
import io.netchannel.device.legs.MirrorRecord;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.wire.Attach;
import io.netchannel.wire.Attached;
import io.netchannel.wire.LegRecord;
import io.netchannel.wire.Moved;
import io.netchannel.wire.Refusal;
import java.util.Optional;

/** An export that is a USB device, also while nothing is plugged. It is what its name says. */
final class UsbExport extends ServedExport {
  private final Export export;
  private final ServerParts parts;

  /** Null while it is not open; used on serial() only. */
  private UsbDevice device;

  /** Of its user, as the device knows it. */
  private long generation;

  UsbExport(Export export, GenerationStore generations, ServerParts parts) {
    super(export, generations, parts);
    this.export = export;
    this.parts = parts;
  }

  @Override
  String place() throws DeviceException {
    return parts.usb().place(export.source());
  }

  @Override
  void openDevice(Attach attach) throws DeviceException {
    if (device == null) {
      device = parts.usb().open(export.source(), options(attach, false));
      generation = attach.generation();
      device.listen(this::portChanged);
    }
  }

  /** One that is somebody's is shared with what that has of it on this host. */
  private UsbOpenOptions options(Attach attach, boolean probe) {
    return new UsbOpenOptions(
        export
            .owner()
            .map(owner -> new UsbOpenOptions.User(owner, Math.max(1, attach.generation()))),
        probe);
  }

  /** On any thread. */
  private void portChanged() {
    for (Session<?> session : sessions()) {
      ((UsbSession) session).portChanged();
    }
  }

  @Override
  boolean isOpen() {
    return device != null;
  }

  @Override
  void closeDevice() {
    if (isAwaited()) {
      device.keepPlace(); // the kernel's drivers would change what the client knows of it
    }
    device.close();
    device = null;
  }

  /** There is nothing that another export would wait for. */
  @Override
  void unheld() {}

  @Override
  Optional<String> refusal(GenerationStore.Entry known, Attach attach) {
    return Optional.empty();
  }

  @Override
  Optional<OutOfDate> outOfDate(Attach attach) {
    return Optional.empty();
  }

  @Override
  UsbSession newSession(String client) {
    return new UsbSession(client, device, parts.buffers());
  }

  @Override
  Attached.Body told(Connection connection, Attach attach, Session<?> session) {
    if (attach.generation() > generation) {
      generation = attach.generation();
      device.useGeneration(generation); // what was before has ended, or is this one's
    }
    return ((UsbSession) session).attached();
  }

  /** Whoever uses the device on this host, as its kernel may, does not notice. */
  @Override
  Attached.Body toldOnProbe(Connection connection, Attach attach) throws DeviceException {
    if (device != null) {
      return UsbSession.probed(device);
    }
    try (UsbDevice look = parts.usb().open(export.source(), options(attach, true))) {
      return UsbSession.probed(look);
    }
  }

  @Override
  void note(Connection connection, Session<?> session, long number, Optional<Moved> to) {
    connection.refuse(Refusal.PROTOCOL, onlyDisks(), 0);
  }

  @Override
  void record(Connection connection, LegRecord asked, Optional<MirrorRecord> told) {
    connection.refuse(Refusal.UNKNOWN_EXPORT, onlyDisks(), 0);
  }

  private String onlyDisks() {
    return "export %s is a USB device here, and not a disk".formatted(export.name());
  }

  @Override
  ImmutableList<ExportStatus.Elsewhere> elsewhere() {
    return ImmutableList.of();
  }
}
