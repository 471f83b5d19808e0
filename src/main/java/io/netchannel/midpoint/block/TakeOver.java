package io.netchannel.midpoint.block;

import com.google.common.collect.ImmutableList;
import io.netchannel.device.Device;
import io.netchannel.midpoint.ManifestBudget;
import io.netchannel.midpoint.Milestones;
import io.netchannel.midpoint.block.BlockManifest.Entry;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * What is known of requests that a guest had pending elsewhere, or here before its frontend began
 * again: they are finished without a guest to answer to, and what becomes known is the replay map.
 * Owned by the agent's thread.
 *
 * <pre>
 *   IDLE --begin--> feeding --all in the table--> finishing --nothing held or at the device-->
 *     ^                                                                                      |
 *     +-- all answered, or replayMillis after the connection -- replaying <----- settle -----+
 * </pre>
 *
 * What is staged is a manifest with what a take-over makes of it that needs no device.
 */
final class TakeOver {
  /**
   * A manifest, prepared.
   *
   * @param replayMap known at once when nothing in it is to be done any more
   */
  private record Staged(BlockManifest manifest, Optional<ReplayMap> replayMap) {
    static Staged of(BlockManifest manifest) {
      return new Staged(
          manifest,
          manifest.entries().stream().anyMatch(Entry::isToBeDone)
              ? Optional.empty()
              : Optional.of(ReplayMap.of(manifest.entries())));
    }
  }

  private final ManifestBudget manifests;
  private final Milestones milestones;

  /** What {@link #begin} will be given, as far as is known; null for nothing. */
  private Staged staged;

  /** While feeding or finishing. */
  private Optional<ReplayMap> prepared = Optional.empty();

  private ImmutableList<Entry> entries = ImmutableList.of();
  private int fed;

  /** Adopted requests that are finished. */
  private final List<Entry> finished = new ArrayList<>();

  /** While replaying, when there is something in it; else null. */
  private ReplayMap replay;

  /** What the replay map has of {@link #manifests}. */
  private long replayBytes;

  /** Null unless a guest that was served elsewhere begins here. */
  private Resumption resumption;

  TakeOver(ManifestBudget manifests, Milestones milestones) {
    this.manifests = manifests;
    this.milestones = milestones;
  }

  void stage(BlockManifest expected) {
    staged = Staged.of(expected);
  }

  void unstage() {
    staged = null;
  }

  void begin(BlockManifest handedOver, Device device) {
    BlockManifest ended = handedOver.ended(device::inherited);
    boolean expected = staged != null && staged.manifest().equals(ended);
    Staged begun = expected ? staged : Staged.of(ended);
    staged = null; // its replay map belongs to this take-over
    prepared = begun.replayMap();
    entries = ended.entries();
    fed = 0;
    resumption = new Resumption(handedOver.entries(), milestones);
  }

  /** The next entry, or null. */
  Entry next() {
    return fed < entries.size() ? entries.get(fed++) : null;
  }

  boolean isFed() {
    return fed == entries.size();
  }

  void finished(Entry entry) {
    finished.add(entry);
  }

  /**
   * All of it is finished: what is known is kept for a guest that sends it again.
   *
   * @param others has what else is in the table
   * @return how many requests are known
   */
  int settle(ManifestEntries others, boolean resubmits) {
    List<Entry> known = new ArrayList<>();
    replayBytes += others.collect(known);
    known.addAll(finished);
    known.sort(Comparator.comparingLong(Entry::sequence));
    ReplayMap map = resubmits ? prepared.orElseGet(() -> ReplayMap.of(known)) : null;
    forgetPending();
    replay(map);
    return known.size();
  }

  /** What is pending is another's, and nothing is known. */
  void drop() {
    forgetPending();
    replay(null);
  }

  private void forgetPending() {
    finished.clear();
    prepared = Optional.empty();
    entries = ImmutableList.of();
    fed = 0;
  }

  private void replay(ReplayMap map) {
    replay = map == null || map.isEmpty() ? null : map;
    if (replay == null) {
      manifests.giveBack(replayBytes);
      replayBytes = 0;
    }
  }

  /** Whether there is something that loses its meaning some time after the frontend connected. */
  boolean isResuming() {
    return replay != null || resumption != null;
  }

  void connected() {
    if (resumption != null) {
      resumption.connected();
    }
  }

  void taken() {
    if (resumption != null) {
      resumption.taken();
    }
  }

  void answered(PendingBlock request) {
    if (resumption != null && resumption.answered(request)) {
      resumption = null;
    }
  }

  /** The guest has sent again what it had not seen answered. */
  void expire() {
    replay(null);
    if (resumption != null) {
      resumption.expired();
      resumption = null;
    }
  }

  /** Whether the outcome of a request is known, with its data when it is a read. */
  boolean knows(PendingBlock request) {
    if (replay == null || request.lengthBytes == 0) {
      return false;
    }
    boolean known =
        switch (request.operation) {
          case READ -> replay.answerRead(request.offsetBytes, request.buffer());
          case WRITE -> replay.confirmWrite(request.offsetBytes, request.buffer());
          case WRITE_BARRIER, FLUSH, DISCARD -> false;
        };
    if (known && replay.isEmpty()) {
      replay(null);
    }
    return known;
  }

  /** A request is going to change its range. */
  void forgetRange(PendingBlock request) {
    if (replay != null && request.changesData()) {
      replay.remove(request.offsetBytes, request.lengthBytes);
    }
  }
}
