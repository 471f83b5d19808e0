package io.netchannel.midpoint.block;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.Completion;
import io.netchannel.device.Custody;
import io.netchannel.device.Outcome;
import io.netchannel.device.StorageState;
import io.netchannel.midpoint.Seal;
import io.netchannel.midpoint.block.BlockManifest.Entry;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * The seal of a disk, and the completion of its flush.
 *
 * <pre>
 *   DRAINING --nothing at the device: the manifest is known--> FLUSHING --flushed--> SEALED
 *   ASKING ----the authority's custody is known, and with it the manifest-----------> SEALED
 * </pre>
 */
final class BlockSeal extends Seal<BlockManifest> implements Completion {
  private final BlockFlow flow;
  private final ManifestEntries entries;

  /** Writes that were at the device at its beginning. */
  private final int writesBefore;

  /** Empty for a device without an authority. */
  private final Optional<CompletableFuture<Custody>> custody;

  private volatile Outcome flushed;

  BlockSeal(BlockFlow flow, ManifestEntries entries, Terms<BlockManifest> terms) {
    super(flow, terms);
    this.flow = flow;
    this.entries = entries;
    writesBefore = entries.writesAtDevice();
    custody = flow.device().custody();
    custody.ifPresent(
        future -> {
          var unused = future.whenComplete((held, problem) -> flow.wake().run());
        });
  }

  /** Whether what is at the device is left to its authority. */
  boolean leaves() {
    return custody.isPresent();
  }

  @Override
  protected String waitsFor() {
    return manifest() == null ? "" : " and a flush";
  }

  @Override
  protected Progress step() {
    return leaves() ? ask() : drain();
  }

  private Progress ask() {
    if (!custody.get().isDone()) {
      return Progress.WAITS;
    }
    Custody held = custody.get().join();
    int unused = flow.reap(); // what completed before that was known counts
    known(entries.entries(held.writes(), dataBytes()), Optional.of(withDone(held.storage())));
    flow.left();
    trace();
    return Progress.SEALED;
  }

  /**
   * The state is that of the moment of custody. A write that has been answered since then is done
   * in the manifest, and nobody asks for it by its name: that it is not flushed is known here only.
   */
  private StorageState withDone(StorageState atCustody) {
    boolean done = entries.writesAtDevice() < writesBefore;
    return new StorageState(atCustody.identity(), atCustody.unflushed() || done);
  }

  private Progress drain() {
    if (flow.table().issuedCount() > 0) {
      return Progress.WAITS;
    }
    if (manifest() == null) {
      // First of all it travels: the guest stands still.
      known(entries.entries(dataBytes()), Optional.empty());
      flow.device().flush(this);
      trace();
    }
    Outcome outcome = flushed;
    if (outcome == null) {
      return Progress.WAITS;
    }
    return switch (outcome) {
      case OK, UNSUPPORTED -> Progress.SEALED;
      case IO_ERROR, NO_SPACE ->
          fail(
              new IllegalStateException(
                  "%s: the device could not be flushed (%s); another host might not see what the guest has written"
                      .formatted(flow.id(), outcome)));
    };
  }

  private void known(List<Entry> pending, Optional<StorageState> left) {
    know(
        new BlockManifest(
            flow.generation(),
            flow.device().geometry().sizeBytes(),
            incomplete(),
            ImmutableList.copyOf(pending),
            left));
  }

  private void trace() {
    flow.trace().seal(flow.generation(), manifest().pending(), incomplete());
    manifest().entries().forEach(entry -> flow.trace().hand(entry, entry.state()));
  }

  @Override
  public void complete(Outcome outcome) {
    flushed = outcome;
    flow.wake().run();
  }
}
