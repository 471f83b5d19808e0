package io.netchannel.daemon;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.DeviceKind;
import io.netchannel.device.DeviceOpener;
import io.netchannel.libvirt.DomainMetadata.Definition;
import io.netchannel.vdevice.block.frontend.GuestIo;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.function.BooleanSupplier;

/** A host with one guest, whose disk is swapped; the guest remembers what it has written. */
final class SwappingHost implements AutoCloseable {
  static final UUID DOMAIN = new UUID(1, 1);
  static final int BLOCK = GuestBlocks.BLOCK;
  static final int BLOCKS = 512;
  static final long SIZE = (long) BLOCKS * BLOCK;

  /** So slow that a test comes before its end. */
  static final long SLOW = 256 << 10;

  final EmulatedHost host;
  private final Path directory;
  private final GuestBlocks blocks = new GuestBlocks();
  private EmbeddedDomain domain;
  private volatile String named = "";

  SwappingHost(Path directory, ImmutableMap<String, DeviceKind> kinds) throws Exception {
    this.directory = directory;
    host = new EmulatedHost("hosta", directory, ImmutableMap.of(), new DeviceOpener(true, kinds));
    host.definitions(
        (uuid, definition, target, from, to) -> {
          named = to;
          return definition == Definition.LIVE;
        });
    host.startDaemon();
  }

  Path file(String name) {
    return directory.resolve(name + ".raw");
  }

  /** A file as large as the disk, with zeros. */
  String make(String scheme, String name) throws IOException {
    Files.write(file(name), new byte[(int) SIZE]);
    return scheme + ":" + file(name);
  }

  /** What the domain's XML was made to name last; empty when it was left alone. */
  String named() {
    return named;
  }

  private static String xml(EmbeddedDomain running, String source) {
    String disk = "<n:disk target='xvdb' source='" + source + "'/>";
    return EmulatedHost.xml("web1", DOMAIN, running, disk);
  }

  void startGuest(String source) {
    prepareGuest(source);
    host.hookOk("web1", "started", "begin", xml(domain, source));
    domain.unpause();
    blocks.connect(domain);
  }

  private void prepareGuest(String source) {
    host.hookOk("web1", "prepare", "begin", xml(null, source));
    host.hookOk("web1", "start", "begin", xml(null, source));
    domain = host.createDomain("web1", DOMAIN);
  }

  void endGuest() {
    goes();
    await("its end", () -> disk() == null);
  }

  private void goes() {
    host.store().remove(Guest.path(domain.domid()));
    domain.destroy();
  }

  /** The daemon ends and another one begins; the guest is there all the time, or goes meanwhile. */
  void restartDaemon(boolean guestStays) throws Exception {
    host.stopDaemon();
    if (guestStays) {
      host.startDaemon();
      await("its disk", this::isServing);
    } else {
      goes();
      host.startDaemon();
    }
  }

  /** What is said to a start; the guest has not come. */
  String refusedStart(String source) {
    prepareGuest(source);
    String words = host.hook("web1", "started", "begin", xml(domain, source)).message();
    endGuest();
    return words;
  }

  /** Its guest lets go of the disk while no daemon looks. */
  void frontendCloses() {
    host.store()
        .write(
            "/local/domain/%d/device/vbd/%d/state".formatted(domain.domid(), GuestBlocks.XVDB),
            "6");
  }

  /** Null when it has none. */
  ServedDisk disk() {
    return host.daemon().midPoints().find(DOMAIN, "xvdb").orElse(null);
  }

  boolean isServing() {
    return host.daemon().midPoints().isServing(domain.domid(), "xvdb");
  }

  void await(String what, BooleanSupplier condition) {
    blocks.await(what, condition);
  }

  /** Does not wait for its end. */
  GuestIo beginWrite(int block) {
    return blocks.beginWrite(block);
  }

  GuestIo beginRead(int block) {
    return blocks.beginRead(block);
  }

  void ends(GuestIo io) {
    blocks.ends(io);
  }

  void write(int block) {
    blocks.write(block);
  }

  /** All that it was told is written. */
  void verify() {
    blocks.verify();
  }

  private Map<String, Object> ask(String command, Map<String, Object> more)
      throws ControlException {
    Map<String, Object> request = new TreeMap<>(more);
    request.put("command", command);
    request.put("domain", "web1");
    request.put("target", "xvdb");
    return Json.object(host.daemon().control().handle(request));
  }

  Map<String, Object> swap(String source, Map<String, Object> more) throws ControlException {
    Map<String, Object> request = new TreeMap<>(more);
    request.put("source", source);
    return ask("swap", request);
  }

  Map<String, Object> job(String action) throws ControlException {
    return ask("job", Map.of("action", action));
  }

  String reason() {
    try {
      return String.valueOf(job("show").get("reason"));
    } catch (ControlException e) {
      throw new AssertionError(e);
    }
  }

  boolean isIn(String state) {
    try {
      return job("show").get("state").equals(state);
    } catch (ControlException e) {
      throw new AssertionError(e);
    }
  }

  void awaitState(String state) {
    await("the job is " + state, () -> isIn(state));
  }

  @Override
  public void close() {
    host.close();
  }
}
