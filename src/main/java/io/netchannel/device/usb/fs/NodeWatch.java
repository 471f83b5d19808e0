package io.netchannel.device.usb.fs;

import io.netchannel.threads.LastResort;
import io.netchannel.time.Repeated;
import java.io.IOException;
import java.nio.file.ClosedWatchServiceException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.StandardWatchEventKinds;
import java.nio.file.WatchKey;
import java.nio.file.WatchService;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Watches the folders of the nodes: the kernel makes one for each bus, and in it a node for each
 * device. That makes it prompt. It need not be complete, as after an overflow of the kernel's queue
 * or in a container with another /dev: who waits for a device looks by itself now and then.
 */
final class NodeWatch implements HotPlug {
  private static final Logger log = LoggerFactory.getLogger(NodeWatch.class);

  private final Path nodes;
  private final WatchService watch;
  private final Set<Runnable> listeners = ConcurrentHashMap.newKeySet();

  private NodeWatch(Path nodes, WatchService watch) {
    this.nodes = nodes;
    this.watch = watch;
  }

  /** Begins to watch. */
  static NodeWatch start(Path nodes) throws IOException {
    NodeWatch started = new NodeWatch(nodes, nodes.getFileSystem().newWatchService());
    started.watchAll();
    LastResort.vital("usb-hot-plug", started::run).start();
    return started;
  }

  @Override
  public Registration listen(Runnable changed) {
    Runnable once = Repeated.of("a look at what was plugged", changed);
    listeners.add(once);
    return () -> listeners.remove(once);
  }

  private void run() {
    try {
      while (true) {
        WatchKey key = watch.take();
        key.pollEvents();
        key.reset();
        watchAll(); // a bus may be new; those that are watched already are so only once
        listeners.forEach(Runnable::run);
      }
    } catch (ClosedWatchServiceException e) {
      // That is how it ends.
    } catch (InterruptedException e) {
      throw new IllegalStateException("interrupted, by nobody who may", e);
    }
  }

  private void watchAll() {
    try {
      watch(nodes);
      String[] buses = nodes.toFile().list(); // null when it has gone
      for (String bus : buses == null ? new String[0] : buses) {
        watch(nodes.resolve(bus));
      }
    } catch (NoSuchFileException | NotDirectoryException e) {
      // A bus that has gone, or a kernel without USB.
    } catch (IOException e) {
      log.warn("{} is not watched: {}; what is plugged in is seen a little later", nodes, e);
    }
  }

  private void watch(Path directory) throws IOException {
    directory.register(
        watch, StandardWatchEventKinds.ENTRY_CREATE, StandardWatchEventKinds.ENTRY_DELETE);
  }

  @Override
  public void close() {
    try {
      watch.close();
    } catch (IOException e) {
      log.warn("the watch of {} does not close: {}", nodes, e.toString());
    }
  }
}
