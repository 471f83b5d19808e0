package io.netchannel.device.usb.shared;

import com.google.common.util.concurrent.MoreExecutors;
import io.netchannel.device.DeviceException;
import io.netchannel.device.usb.LookedUsb;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbKind;
import io.netchannel.device.usb.UsbOpenOptions;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.function.LongSupplier;

/**
 * The devices of this host that are open, by their source and their user. Who opens one that is
 * open has it in common with those that have it; see the package.
 *
 * <pre>
 *   (none) --open--> OPENING --it is open--> OPEN --the last holder closes--> CLOSING --> (none)
 *      ^                |                     ^ +--open of the same user: one more holder
 *      +--cannot be-----+                     +-+
 * </pre>
 *
 * Who comes while it is CLOSING waits for its end, and opens it anew.
 */
public final class SharedDevices {
  /** Whose device it is: the same source in another's hands is another one, or is refused. */
  private record Key(String place, String user) {}

  private final Executor executor;
  private final LongSupplier nanoTime;
  private final ConcurrentHashMap<Key, CompletableFuture<SharedDevice>> open =
      new ConcurrentHashMap<>();

  /**
   * None is open yet.
   *
   * @param executor tells what ends without the device; must not be kept waiting. Ended by who made
   *     it, after all devices
   * @param nanoTime the monotonic clock, for how old a report is
   */
  public SharedDevices(Executor executor, LongSupplier nanoTime) {
    this.executor = executor;
    this.nanoTime = nanoTime;
  }

  /**
   * A kind of this host's own devices, of which each is open once for a user.
   *
   * @param scheme what the kind is called in sources
   */
  public UsbKind around(String scheme, UsbKind kind) {
    return new UsbKind() {
      @Override
      public UsbDevice open(String text, UsbOpenOptions options) throws DeviceException {
        String place = scheme + ":" + text;
        Optional<Key> key = options.user().map(user -> new Key(place, user.name()));
        if (options.probe()) {
          Optional<UsbDevice> looked = key.flatMap(SharedDevices.this::look);
          return looked.isPresent() ? looked.get() : kind.open(text, options);
        }
        return key.isPresent()
            ? hold(key.get(), options.user().get().generation(), () -> kind.open(text, options))
            : opened(place, kind.open(text, options), () -> {}).hold(0).orElseThrow();
      }

      @Override
      public long newestGeneration(String text, String user) {
        return known(new Key(scheme + ":" + text, user))
            .map(SharedDevice::newestGeneration)
            .orElse(0L);
      }

      /** There is no authority that would keep a place. */
      @Override
      public void giveFree(String text, UsbOpenOptions options) {}

      @Override
      public void check(String text) throws DeviceException {
        kind.check(text);
      }
    };
  }

  /** Opens what is shared. */
  @FunctionalInterface
  private interface Opening {
    UsbDevice open() throws DeviceException;
  }

  private UsbDevice hold(Key key, long generation, Opening opening) throws DeviceException {
    while (true) {
      CompletableFuture<SharedDevice> mine = new CompletableFuture<>();
      CompletableFuture<SharedDevice> there = open.putIfAbsent(key, mine);
      if (there == null) {
        there = mine;
        openInto(mine, key, opening);
      }
      SharedDevice device = join(there);
      Optional<Holder> holder = device.hold(generation);
      if (holder.isPresent()) {
        return holder.get();
      }
      device.awaitClosed();
    }
  }

  private void openInto(CompletableFuture<SharedDevice> mine, Key key, Opening opening) {
    try {
      mine.complete(opened(key.place(), opening.open(), () -> open.remove(key, mine)));
    } catch (DeviceException | RuntimeException | Error e) {
      open.remove(key, mine);
      mine.completeExceptionally(e);
    }
  }

  private SharedDevice opened(String place, UsbDevice device, Runnable whenClosed) {
    return new SharedDevice(
        place, device, MoreExecutors.newSequentialExecutor(executor), nanoTime, whenClosed);
  }

  private static SharedDevice join(CompletableFuture<SharedDevice> there) throws DeviceException {
    try {
      return there.join();
    } catch (CompletionException e) {
      throw new DeviceException(e.getCause().getMessage(), e.getCause());
    }
  }

  private Optional<UsbDevice> look(Key key) {
    return known(key).map(device -> new LookedUsb(device.port()));
  }

  private Optional<SharedDevice> known(Key key) {
    CompletableFuture<SharedDevice> there = open.get(key);
    return there == null || !there.isDone() || there.isCompletedExceptionally()
        ? Optional.empty()
        : Optional.of(there.join());
  }
}
