package io.netchannel.xen.jna;

import static java.util.concurrent.TimeUnit.SECONDS;

import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import com.sun.jna.Pointer;
import io.netchannel.xen.StoreHost;
import io.netchannel.xen.Waiting;
import io.netchannel.xen.XenStore;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/**
 * The real xenstored 4.17 in a directory of its own, on a machine without Xen: the hypervisor calls
 * it makes are answered by src/test/native/fakexen.c. Guests talk to it over their rings.
 */
final class RealXenStored implements StoreHost {
  private static final Path XENSTORED = Path.of("/usr/lib/xen-4.17/bin/xenstored");
  private static final Path HEADER = Path.of("/usr/include/xenctrl.h");
  private static final Path SHIM_SOURCE = Path.of("src/test/native/fakexen.c");
  private static final String PACKAGES =
      "install the Debian packages xen-utils-4.17 libxen-dev libxenstore4 gcc libc6-dev";

  /** Tests run in two JVMs beside each other. */
  private static final long PID = ProcessHandle.current().pid();

  /** As in fakexen.c. */
  private static final int VIRQ_PORT = 1;

  private static final int FIRST_DOMAIN_PORT = 100;
  private static final int PAGE_BYTES = 4096;

  private final Path directory;
  private final ProcessBuilder command;
  private Process process;
  private final FileChannel events;
  private final List<XenStore> connections = new ArrayList<>();
  private int lastDomid;

  static RealXenStored start() {
    try {
      return new RealXenStored();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private RealXenStored() throws IOException {
    Path shim = compileShim();
    // Not below target/: the path of a Unix socket has at most 107 bytes.
    directory = Files.createTempDirectory("xenstored");
    check(TestLibC.mkfifo(file("events").toString(), 0600) == 0, "mkfifo failed");
    command =
        new ProcessBuilder(XENSTORED.toString(), "--no-fork", "--pid-file", file("pid").toString())
            .redirectErrorStream(true)
            .redirectOutput(Redirect.to(log().toFile()));
    command.environment().put("LD_PRELOAD", shim.toString());
    command.environment().put("FAKEXEN_DIR", directory.toString());
    command.environment().put("XENSTORED_RUNDIR", directory.toString());
    run();
    events = FileChannel.open(file("events"), StandardOpenOption.WRITE);
  }

  private static Path log() {
    return Path.of("target/xenstored-%d.log".formatted(PID)).toAbsolutePath();
  }

  private void run() throws IOException {
    Files.deleteIfExists(file("socket")); // of one that was killed
    Process started = command.start();
    process = started;
    Waiting.until(
        "xenstored makes its socket; its log is " + log(),
        () -> Files.exists(file("socket")) || !started.isAlive());
    check(started.isAlive(), "xenstored ended at once; its log is " + log());
  }

  private static Path compileShim() throws IOException {
    for (Path needed : List.of(XENSTORED, HEADER)) {
      check(Files.exists(needed), needed + " is missing: " + PACKAGES);
    }
    Path shim = Path.of("target/fakexen-%d.so".formatted(PID)).toAbsolutePath();
    NativeTests.compile(SHIM_SOURCE, shim, "-shared", "-fPIC", "-ldl");
    return shim;
  }

  @Override
  public XenStore connect(int domid) {
    XenStore connection = domid == 0 ? connectDomain0() : connectGuest(domid);
    connections.add(connection);
    return connection;
  }

  private XenStore connectDomain0() {
    check(TestLibC.setenv("XENSTORED_RUNDIR", directory.toString(), 1) == 0, "setenv failed");
    return JnaXenStore.open();
  }

  /** A guest has one ring, so one connection. */
  private XenStore connectGuest(int domid) {
    return new RingXenStore(
        file("grant-%d-1".formatted(domid)), () -> raise(FIRST_DOMAIN_PORT + domid));
  }

  @Override
  public int createDomain() {
    int domid = ++lastDomid;
    try {
      Files.createFile(file("dom-" + domid));
      Files.write(file("grant-%d-1".formatted(domid)), new byte[PAGE_BYTES]);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return domid;
  }

  @Override
  public void introduce(int domid) {
    check(TestLibC.setenv("XENSTORED_RUNDIR", directory.toString(), 1) == 0, "setenv failed");
    Pointer handle = LibXenStore.xs_open(0);
    check(handle != null, "cannot connect to introduce a domain");
    try {
      check(TestLibC.introduceDomain(handle, domid, 1, 1), "xs_introduce_domain failed");
    } finally {
      LibXenStore.xs_close(handle);
    }
  }

  @Override
  public void destroyDomain(int domid) {
    try {
      Files.delete(file("dom-" + domid));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    raise(VIRQ_PORT);
  }

  /** One in its place, that knows nothing any more. */
  void startAgain() throws IOException {
    run();
  }

  /** It is gone, with all its connections; {@link #close} cleans up as ever. */
  void kill() {
    process.destroyForcibly();
    process.onExit().join();
  }

  @Override
  public void close() {
    connections.forEach(XenStore::close);
    process.destroy();
    try {
      check(process.waitFor(10, SECONDS), "xenstored does not end");
      events.close();
      MoreFiles.deleteRecursively(directory, RecursiveDeleteOption.ALLOW_INSECURE);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      process.destroyForcibly();
    }
  }

  private void raise(int port) {
    ByteBuffer message =
        ByteBuffer.allocate(Integer.BYTES).order(ByteOrder.nativeOrder()).putInt(port).flip();
    try {
      check(events.write(message) == Integer.BYTES, "a short write to the events FIFO");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private Path file(String name) {
    return directory.resolve(name);
  }

  private static void check(boolean good, String otherwise) {
    if (!good) {
      throw new AssertionError(otherwise);
    }
  }
}
