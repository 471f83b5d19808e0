package io.netchannel.daemon;

import com.google.common.collect.ImmutableList;
import com.google.protobuf.ByteString;
import io.netchannel.device.Device;
import io.netchannel.device.Inheritance;
import io.netchannel.midpoint.InflightTable;
import io.netchannel.midpoint.MidPointTrace;
import io.netchannel.midpoint.block.BlockLimits;
import io.netchannel.midpoint.block.BlockManifest;
import io.netchannel.midpoint.block.BlockMidPoint;
import io.netchannel.vdevice.block.Vbd;
import io.netchannel.vdevice.block.VbdLimits;
import io.netchannel.vdevice.block.VbdNodes.Detail;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A disk of a domain.
 *
 * <p>Its monitor keeps a claim, an unseal and a recovery apart, as that of every {@link
 * ServedDevice}.
 */
final class ServedDisk extends ServedDevice<Device, BlockMidPoint, DiskDetails> {
  private static final Logger log = LoggerFactory.getLogger(ServedDisk.class);

  private volatile long sizeBytes;

  /** The manifest that was decoded last, and of which bytes. */
  private ByteString encodedManifest = ByteString.EMPTY;

  private BlockManifest decodedManifest;

  /** As every {@link ServedDevice}. */
  ServedDisk(
      Environment environment,
      DiskDetails details,
      Consumer<? super ServedDevice<Device, BlockMidPoint, DiskDetails>> whenGone) {
    super(environment, details, whenGone);
  }

  @Override
  BlockMidPoint makeMidPoint(Path table, MidPointTrace trace, Runnable wake) throws IOException {
    Environment environment = environment();
    BlockLimits limits = BlockLimits.defaults();
    InflightTable inflight = BlockMidPoint.inflight(table, limits);
    Vbd vbd =
        new Vbd(
            address(),
            guest().name(),
            environment.store(),
            environment.grants(),
            environment.events(),
            VbdLimits.DEFAULT,
            wake);
    return new BlockMidPoint(
        id(),
        vbd,
        inflight,
        limits,
        environment.memory(),
        trace,
        environment.nanoTime(),
        wake,
        what -> environment.notes().note(guest().uuid(), target() + " " + what));
  }

  /** As {@link BlockMidPoint#changesBefore}. */
  ImmutableList<Inheritance.Change> changesBefore() {
    return midPoint().changesBefore().stream()
        .map(change -> new Inheritance.Change(change.offsetBytes(), change.lengthBytes()))
        .collect(ImmutableList.toImmutableList());
  }

  /** Bytes of its device; 0 while it has none. */
  long sizeBytes() {
    return sizeBytes;
  }

  @Override
  void uses(Device used, String source, long generation) {
    sizeBytes = used.geometry().sizeBytes();
    super.uses(used, source, generation);
  }

  /**
   * Notes in the nodes what becomes its source, before anything is written there.
   *
   * @throws IllegalStateException when the nodes have gone
   */
  void follows(String source) {
    noteNode(Detail.FOLLOWER, source);
  }

  /** Nothing does any more; nodes that have gone need it not. */
  void followsNothing() {
    try {
      noteNode(Detail.FOLLOWER, "");
    } catch (RuntimeException e) {
      log.info("{}: {}", this, e.getMessage());
    }
  }

  /** Notes its new source, which the journal has already; nodes that have gone need it not. */
  void switched(String source) {
    try {
      synchronized (this) {
        note(details().with(Optional.of(source), details().generation()));
      }
    } catch (RuntimeException e) { // the journal has it; it is written once more in the end
      log.info("{}: {}", this, e.getMessage());
    }
    followsNothing();
  }

  /**
   * Decodes a manifest; the very same bytes once only: they are staged first, and taken over in the
   * hook that holds up the guest, where they are not even compared.
   *
   * @param encoded its checksum was verified by who brought it
   * @throws IllegalArgumentException when it is not a manifest
   */
  synchronized BlockManifest decode(ByteString encoded) {
    if (decodedManifest == null || !isSame(encoded, encodedManifest)) {
      decodedManifest = BlockManifest.decodeVerified(encoded.asReadOnlyByteBuffer());
      encodedManifest = encoded;
    }
    return decodedManifest;
  }

  @SuppressWarnings("ReferenceEquality") // to compare 32 MiB takes as long as to decode them
  private static boolean isSame(ByteString a, ByteString b) {
    return a == b;
  }

  /** It has been taken over: nobody will ask for it again. */
  synchronized void forgetManifest() {
    encodedManifest = ByteString.EMPTY;
    decodedManifest = null;
  }
}
