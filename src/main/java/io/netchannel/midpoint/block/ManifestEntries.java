package io.netchannel.midpoint.block;

import static com.google.common.base.Preconditions.checkState;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.Completion;
import io.netchannel.device.Outcome;
import io.netchannel.device.RequestName;
import io.netchannel.midpoint.ManifestBudget;
import io.netchannel.midpoint.PendingRequest;
import io.netchannel.midpoint.PendingTable;
import io.netchannel.midpoint.block.BlockManifest.Entry;
import io.netchannel.vdevice.block.BlockOperation;
import io.netchannel.vdevice.block.BlockRequest;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What a disk's pending requests are in a manifest. Owned by the agent's thread.
 *
 * <pre>
 *   nothing --entries--> the entries of one seal, with their data from the budget --dropped--> nothing
 * </pre>
 */
final class ManifestEntries {
  private static final ByteBuffer NOTHING = ByteBuffer.allocate(0);

  private final PendingTable<BlockRequest, PendingBlock> table;
  private final ManifestBudget manifests;

  /** What the entries of a seal have of {@link #manifests}. */
  private long manifestBytes;

  ManifestEntries(PendingTable<BlockRequest, PendingBlock> table, ManifestBudget manifests) {
    this.table = table;
    this.manifests = manifests;
  }

  /** Nobody here needs the entries of a seal any more. */
  void dropped() {
    manifests.giveBack(manifestBytes);
    manifestBytes = 0;
  }

  /**
   * The manifest's entries for all that is in the table.
   *
   * @param left what is at the device and can be asked for
   * @param mostBytes of data
   */
  List<Entry> entries(Map<Completion, RequestName> left, long mostBytes) {
    dropped();
    List<Entry> entries = new ArrayList<>();
    manifestBytes = collect(left, mostBytes, entries);
    return entries;
  }

  /** Likewise, where nothing is at the device. */
  List<Entry> entries(long mostBytes) {
    checkState(table.issuedCount() == 0, "what is at the device has no outcome that is known");
    return entries(ImmutableMap.of(), mostBytes);
  }

  /** Those whose completion has not been taken note of. */
  int writesAtDevice() {
    int count = 0;
    for (PendingBlock entry : table.all()) {
      if (entry.state() == PendingRequest.State.ISSUED && entry.changesData()) {
        count++;
      }
    }
    return count;
  }

  /**
   * Entries for all that is in the table, where nothing is at the device.
   *
   * @return what their data takes of the budget, to be given back to it
   */
  long collect(List<Entry> entries) {
    return collect(ImmutableMap.of(), Long.MAX_VALUE, entries);
  }

  private long collect(Map<Completion, RequestName> left, long mostBytes, List<Entry> entries) {
    List<PendingBlock> all = table.all();
    long wanted = 0;
    for (PendingBlock request : all) {
      wanted += payloadBytes(request, name(request, left).isPresent());
    }
    long taken = manifests.take(Math.min(wanted, mostBytes));
    long unused = taken;
    // The newest first: a guest is likelier to have seen the answer to an older one.
    for (int i = all.size() - 1; i >= 0; i--) {
      PendingBlock request = all.get(i);
      Optional<RequestName> name = name(request, left);
      long bytes = payloadBytes(request, name.isPresent());
      boolean fits = bytes <= unused;
      unused -= fits ? bytes : 0;
      entries.add(entry(request, name, fits));
    }
    Collections.reverse(entries);
    manifests.giveBack(unused);
    return taken - unused;
  }

  private static Optional<RequestName> name(
      PendingBlock request, Map<Completion, RequestName> left) {
    // Of several steps at the device the last one's outcome is not the whole's.
    return request.operation == BlockOperation.WRITE
        ? Optional.ofNullable(left.get(request))
        : Optional.empty();
  }

  /** Of one that is finished, with its data. */
  static Entry finished(PendingBlock request) {
    return entry(request, Optional.empty(), true);
  }

  /**
   * @param name when it is at the device
   * @param withData whether there is room for what it has
   */
  private static Entry entry(PendingBlock request, Optional<RequestName> name, boolean withData) {
    BlockManifest.State state = stateOf(request);
    Optional<RequestName> asked = state == BlockManifest.State.ISSUED ? name : Optional.empty();
    return new Entry(
        request.sequence(),
        request.generation(),
        request.operation,
        request.offsetBytes,
        request.lengthBytes,
        state,
        withData ? payload(request, state, asked.isPresent()) : NOTHING,
        asked);
  }

  private static BlockManifest.State stateOf(PendingBlock request) {
    boolean ok = request.outcome == Outcome.OK;
    return switch (request.state()) {
      case HELD -> BlockManifest.State.UNISSUED;
      case DONE -> ok ? BlockManifest.State.DONE : BlockManifest.State.FAILED;
      case ANSWERED, UNSEEN -> ok ? BlockManifest.State.ANSWERED : BlockManifest.State.FAILED;
      case ISSUED -> BlockManifest.State.ISSUED;
      case FREE -> throw new IllegalStateException("a free entry is in the table");
    };
  }

  private static long payloadBytes(PendingBlock request, boolean named) {
    BlockManifest.State state = stateOf(request);
    boolean none = request.buffer() == null || (state == BlockManifest.State.ISSUED && !named);
    return none ? 0 : Entry.payloadBytes(request.operation, state, request.lengthBytes);
  }

  private static ByteBuffer payload(
      PendingBlock request, BlockManifest.State state, boolean named) {
    ByteBuffer data = request.buffer();
    if (data == null
        || (state == BlockManifest.State.ISSUED && !named)
        || Entry.payloadBytes(request.operation, state, request.lengthBytes) == 0) {
      return NOTHING;
    }
    if (request.carriesData() && state != BlockManifest.State.UNISSUED) {
      return SectorDigests.of(data);
    }
    ByteBuffer copy = ByteBuffer.allocate(data.limit());
    copy.put(0, data, 0, data.limit());
    return copy;
  }
}
