package io.netchannel.libvirt;

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
  private static final long FAILURE_PAUSE_MILLIS = 1000;

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
    Thread thread = new Thread(LibvirtEventLoop::run, "libvirt-events");
    thread.setDaemon(true);
    thread.start();
    running = true;
  }

  private static void run() {
    while (true) {
      try {
        Library.processEvent();
      } catch (LibvirtException | RuntimeException e) {
        log.error("libvirt's event loop failed, trying again: {}", e.toString());
        try {
          Thread.sleep(FAILURE_PAUSE_MILLIS);
        } catch (InterruptedException interrupted) {
          return;
        }
      }
    }
  }
}
