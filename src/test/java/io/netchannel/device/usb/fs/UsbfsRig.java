package io.netchannel.device.usb.fs;

import io.netchannel.device.DeviceException;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbOpenOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Supplier;

/** A host whose sysfs are files, and whose usbfs is scripted. */
final class UsbfsRig implements AutoCloseable {
  final FakeSysfs sysfs;
  final Path limit;
  final UsbfsMemory memory;
  private final List<Runnable> listeners = new CopyOnWriteArrayList<>();
  private final Deque<ScriptedUsbfs> scripts = new ArrayDeque<>();
  private final List<UsbDevice> opened = new CopyOnWriteArrayList<>();
  private Optional<Supplier<ScriptedUsbfs>> otherwise = Optional.empty();

  UsbfsRig(Path directory) throws IOException {
    sysfs = new FakeSysfs(directory);
    limit = directory.resolve("usbfs_memory_mb");
    memory = new UsbfsMemory(limit);
  }

  /** Plays the next node that is opened. */
  synchronized ScriptedUsbfs script() {
    ScriptedUsbfs made = new ScriptedUsbfs();
    scripts.addLast(made);
    return made;
  }

  /** Plays each node that is opened without a script: a device looks again by itself, too. */
  synchronized void otherwise(Supplier<ScriptedUsbfs> script) {
    otherwise = Optional.of(script);
  }

  private synchronized Usbfs openNode(HostUsbDevice device) throws DeviceException {
    if (!scripts.isEmpty()) {
      return scripts.removeFirst();
    }
    return otherwise.orElseThrow(() -> new DeviceException("no script for " + device)).get();
  }

  UsbDevice open(String text) throws DeviceException {
    UsbDevice device = kind().open(text, UsbOpenOptions.PLAIN);
    opened.add(device);
    return device;
  }

  UsbfsKind kind() {
    return kind(this::openNode);
  }

  /** Whose devices all are {@code usbfs}. */
  UsbfsKind kind(Usbfs usbfs) {
    return kind(found -> usbfs);
  }

  private UsbfsKind kind(Usbfs.Opener opener) {
    HotPlug hotPlug =
        new HotPlug() {
          @Override
          public Registration listen(Runnable changed) {
            listeners.add(changed);
            return () -> listeners.remove(changed);
          }

          @Override
          public void close() {}
        };
    return new UsbfsKind(new UsbfsDevice.Host(sysfs.finder(), hotPlug, opener, memory, () -> 0));
  }

  /** A usual device at port 3-1.2 that is open, and its script. */
  ScriptedUsbfs usual() throws DeviceException {
    sysfs.plug("3-1.2", 3, 7, TestDescriptors.usual(), "NC42");
    ScriptedUsbfs script = script();
    open("port=3-1.2");
    script.takeCalls();
    return script;
  }

  UsbDevice device() {
    return opened.get(0);
  }

  void hotPlug() {
    listeners.forEach(Runnable::run);
  }

  CompletableFuture<Urb> submit(Urb urb) {
    return submit(urb, device().port().incarnation());
  }

  CompletableFuture<Urb> submit(Urb urb, int incarnation) {
    CompletableFuture<Urb> outcome = new CompletableFuture<>();
    device().submit(urb, incarnation, outcome::complete);
    return outcome;
  }

  @Override
  public void close() {
    opened.forEach(UsbDevice::close);
  }
}
