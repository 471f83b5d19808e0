package io.netchannel.libvirt;

import com.google.common.util.concurrent.Uninterruptibles;
import io.netchannel.threads.LastResort;
import java.time.Duration;
import org.libvirt.Connect;
import org.libvirt.Library;
import org.libvirt.LibvirtException;
import org.libvirt.jna.Libvirt;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * libvirt's event loop, of which a process has one: it must exist before the first connection is
 * made, and cannot be taken down again.
 */
final class LibvirtEventLoop {
  private static final Logger log = LoggerFactory.getLogger(LibvirtEventLoop.class);

  /** Between two turns of a loop that fails; libvirt gives no reason to expect it. */
  private static final Duration FAILURE_PAUSE = Duration.ofSeconds(1);

  /** By default the library prints every error to stderr; they come as exceptions, too. */
  private static final Libvirt.VirErrorCallback QUIET = (userData, error) -> {};

  private static boolean running;

  private LibvirtEventLoop() {}

  /**
   * Starts the loop unless it runs already.
   *
   * @throws LinkageError when there is no libvirt library on this machine
   */
  static synchronized void start() throws LibvirtException {
    if (running) {
      return;
    }
    Library.initEventLoop();
    Connect.setErrorCallback(QUIET);
    LastResort.vital("libvirt-events", LibvirtEventLoop::run).start();
    running = true;
  }

  private static void run() {
    boolean failing = false;
    while (true) {
      try {
        Library.processEvent();
        failing = false;
      } catch (LibvirtException | RuntimeException | Error e) {
        if (!failing) {
          log.error("libvirt's event loop failed, tried again and again", e);
          failing = true;
        }
        Uninterruptibles.sleepUninterruptibly(FAILURE_PAUSE);
      }
    }
  }
}
