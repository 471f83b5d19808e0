package io.netchannel.coordinator;

import com.google.common.collect.Maps;
import io.netchannel.coordinator.Migration.MovedDevice;
import io.netchannel.coordinator.PeerMessages.Prepared;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** PREPARE at the destination: a look at what the guest that comes brings, of every kind. */
final class IncomingLooks {
  private static final Logger log = LoggerFactory.getLogger(IncomingLooks.class);

  private final Context context;
  private final LocalDevices devices;

  IncomingLooks(Context context) {
    this.context = context;
    this.devices = context.devices();
  }

  /** Which places of a disk that comes this host can open: where it is, its copy, or both. */
  enum Places {
    DISK,
    COPY,
    BOTH
  }

  /**
   * Of each disk, by target; others have one place. One that comes as its copy need not be reached
   * where it is. Whether it is the source has to know, where the copy has fallen behind when the
   * guest comes.
   *
   * @throws MigrationRefusedException when one is reached nowhere
   */
  Map<String, Places> places(PeerMessages.ServedDomain served, Deadline deadline)
      throws MigrationRefusedException {
    SideBySide probes = new SideBySide();
    Map<String, CompletableFuture<Places>> asked = new HashMap<>();
    for (LocalDevices.GuestDevice disk : served.devices()) {
      if (disk.kind() != LocalDevices.Kind.DISK) {
        continue;
      }
      CompletableFuture<Places> places =
          served
              .copy(disk.target(), context.host())
              .map(copy -> places(disk, copy, deadline.remaining().dividedBy(2)))
              .orElseGet(() -> devices.probe(disk).thenApply(done -> Places.DISK));
      asked.put(disk.target(), places);
      probes.add(
          context.host() + " cannot serve disk " + disk.target() + " of " + served.name(), places);
    }
    probes.await(deadline.remaining());
    return Maps.transformValues(asked, CompletableFuture::join);
  }

  /**
   * Of one disk with a copy.
   *
   * @param bound of the wait for the disk where it is, when its copy is reached
   */
  private CompletableFuture<Places> places(
      LocalDevices.GuestDevice disk, String copy, Duration bound) {
    CompletableFuture<Void> here = devices.probe(disk);
    CompletableFuture<Boolean> isReached =
        here.handle((done, failure) -> failure == null)
            .completeOnTimeout(false, bound.toMillis(), TimeUnit.MILLISECONDS);
    return devices
        .probe(disk.at(copy))
        .thenCompose(done -> isReached.thenApply(reached -> reached ? Places.BOTH : Places.COPY))
        .exceptionallyCompose(
            failure -> {
              log.warn(
                  "{}: its copy cannot be opened: {}",
                  disk.target(),
                  Deadline.words(SideBySide.cause(failure)));
              return here.thenApply(nothing -> Places.DISK);
            });
  }

  /** The devices as this host will open them. */
  static List<MovedDevice> coming(
      Migration migration, Prepared prepared, Map<String, Places> places) {
    return migration.devices().stream()
        .map(
            moved -> {
              String source = prepared.sources().get(moved.target());
              return source == null ? moved : moved.at(source);
            })
        .map(moved -> places.get(moved.target()) == Places.COPY ? moved.onlyAsCopy() : moved)
        .toList();
  }

  /** After PREPARE at the source, which makes reachable what stays there. */
  void lookAtPorts(List<MovedDevice> coming, String name, Deadline deadline)
      throws MigrationRefusedException {
    SideBySide probes = new SideBySide();
    for (MovedDevice moved : coming) {
      if (moved.device().kind() == LocalDevices.Kind.USB_PORT) {
        probes.add(
            "%s cannot serve %s of %s".formatted(context.host(), moved.device().name(), name),
            devices.probe(moved.device()));
      }
    }
    probes.await(deadline.remaining());
  }
}
