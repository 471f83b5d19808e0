package io.netchannel.daemon;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import io.netchannel.coordinator.LocalDevices.GuestDevice;
import io.netchannel.coordinator.LocalDevices.Sealed;
import io.netchannel.device.Backend;
import io.netchannel.device.DeviceException;
import io.netchannel.midpoint.Manifest;
import io.netchannel.midpoint.MidPoint;
import io.netchannel.xen.XenStore;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How the devices of one kind leave this host and come to it: what {@link HostDevices} does for the
 * coordinator.
 *
 * @param <B> what requests go to
 * @param <F> what is handed over of them
 * @param <S> the devices
 * @param <D> what their nodes say
 */
abstract class MovingDevices<
    B extends Backend,
    F extends Manifest,
    S extends ServedDevice<B, ? extends MidPoint<B, F>, D>,
    D extends DeviceDetails<D>> {
  private static final Logger log = LoggerFactory.getLogger(MovingDevices.class);

  private final XenStore store;
  private final ServedDevices<B, S, D> devices;

  MovingDevices(XenStore store, ServedDevices<B, S, D> devices) {
    this.store = store;
    this.devices = devices;
  }

  /** As the coordinator knows it. */
  abstract GuestDevice describe(S device);

  /** One that a guest has at its source, and whose nodes are not there here. */
  abstract D expecting(Guest guest, GuestDevice coming);

  /**
   * The manifest that these bytes are.
   *
   * @throws IllegalArgumentException when they are none
   */
  abstract F decode(S device, ByteString manifest);

  /** It has been taken over, or given up: nobody will ask for its manifest again. */
  abstract void forgetManifest(S device);

  /**
   * Opens what a device that comes had at its source; may wait for it.
   *
   * @param isCopy as of {@link io.netchannel.coordinator.LocalDevices#takeOver}
   */
  abstract B open(S device, GuestDevice coming, boolean isCopy, F manifest) throws DeviceException;

  /** It has come. */
  abstract void arrived(S device, GuestDevice coming, boolean isCopy);

  /** Whether this host could serve one that is to come, as the coordinator asks. */
  abstract CompletableFuture<Void> probe(GuestDevice coming);

  /** How much of data the manifest of one can have. */
  abstract long manifestDataBytes();

  /** One of a domain's; of its youngest life, when there are several. */
  final Optional<MovingDevice> find(UUID domain, String target) {
    return devices.find(domain, target).map(Present::new);
  }

  /** Those of a domain that are served here. */
  final List<GuestDevice> of(UUID domain) {
    return devices.ofDomain(domain).stream()
        .filter(MovingDevices::isHere)
        .map(this::describe)
        .toList();
  }

  /** Whether its guest has it here, also while its device cannot be opened after a restart. */
  static boolean isHere(ServedDevice<?, ?, ?> device) {
    if (device.noDevice().isPresent()) {
      return true;
    }
    return switch (device.status().state()) {
      case SERVING, SEALING, SEALED -> true;
      case EXPECTING, RETIRED -> false;
    };
  }

  private final class Present implements MovingDevice {
    private final S device;

    private Present(S device) {
      this.device = device;
    }

    @Override
    public CompletableFuture<Sealed> seal(Duration bound, long dataBytes, Consumer<Sealed> known) {
      if (device.noDevice().isPresent()) {
        return CompletableFuture.failedFuture(
            new IllegalStateException(
                "%s has no device: %s".formatted(device, device.noDevice().get())));
      }
      CompletableFuture<Sealed> early = new CompletableFuture<>();
      return device
          .midPoint()
          .seal(
              bound,
              dataBytes,
              manifest -> {
                Sealed sealed = sealed(manifest);
                early.complete(sealed);
                known.accept(sealed);
              })
          .thenApply(manifest -> early.isDone() ? early.join() : sealed(manifest));
    }

    private Sealed sealed(F manifest) {
      Manifest.Encoded encoded = manifest.encoded();
      return new Sealed(
          describe(device),
          UnsafeByteOperations.unsafeWrap(encoded.bytes()), // nobody else has them
          encoded.crc32c(),
          manifest.pending(),
          manifest.incomplete());
    }

    @Override
    public CompletableFuture<Void> unseal(long generation) {
      synchronized (device) {
        device.usesGeneration(generation);
        return device
            .midPoint()
            .unseal(generation)
            .thenRun(() -> log.info("{}: goes on, generation {}", device, generation));
      }
    }

    /** One whose device is still being opened finds its mid-point RETIRED, and is closed. */
    @Override
    public CompletableFuture<Void> retire() {
      forgetManifest(device);
      return device.retire();
    }

    @Override
    public CompletableFuture<Void> stage(ByteString manifest) {
      return device.midPoint().stage(decode(device, manifest));
    }
  }

  final CompletableFuture<Void> takeOver(
      int domid, GuestDevice coming, boolean isCopy, ByteString manifest) {
    // Before it returns: a retire that follows finds it.
    S device = devices.find(domid, coming.target()).orElseGet(() -> publishLate(domid, coming));
    return devices.withStorage(() -> openAndTakeOver(device, coming, isCopy, manifest));
  }

  private CompletableFuture<Void> openAndTakeOver(
      S device, GuestDevice coming, boolean isCopy, ByteString manifest) throws DeviceException {
    F decoded = decode(device, manifest);
    B opened = open(device, coming, isCopy, decoded);
    return takeOver(device, coming, opened, decoded)
        .thenRun(
            () -> {
              forgetManifest(device);
              arrived(device, coming, isCopy);
              log.debug(
                  "{}: taken over with {} pending, generation {}",
                  device,
                  decoded.pending(),
                  coming.generation());
            });
  }

  private CompletableFuture<Void> takeOver(S device, GuestDevice coming, B opened, F manifest) {
    MidPoint<B, F> midPoint;
    try {
      midPoint = device.midPoint();
    } catch (RuntimeException e) {
      opened.close();
      throw e;
    }
    return midPoint.takeOver(opened, coming.generation(), manifest);
  }

  /** One that the domain's XML does not name here: it was hot-plugged at the source. */
  private S publishLate(int domid, GuestDevice coming) {
    Guest guest =
        Guest.byId(store, domid)
            .orElseThrow(() -> new IllegalStateException("domid " + domid + " has gone"));
    return devices.publish(expecting(guest, coming));
  }
}
