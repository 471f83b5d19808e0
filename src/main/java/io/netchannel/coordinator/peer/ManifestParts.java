package io.netchannel.coordinator.peer;

import com.google.common.collect.ImmutableList;
import com.google.protobuf.ByteString;
import io.netchannel.coordinator.PeerMessages;
import io.netchannel.coordinator.peer.v1.SealPart;
import io.netchannel.coordinator.peer.v1.SealedDisk;
import java.io.IOException;
import java.util.Iterator;
import java.util.List;

/** Puts manifests together again. */
final class ManifestParts {
  /** Every slot of eight 16-page rings with 4 MiB of data each comes nowhere near it. */
  private static final long MAX_MANIFEST_BYTES = 1L << 30;

  private SealedDisk header;
  private ByteString manifest = ByteString.EMPTY;
  private final ImmutableList.Builder<PeerMessages.SealedDisk> disks = ImmutableList.builder();

  /** Reads all parts; a manifest that is not what its header says is an IOException. */
  static List<PeerMessages.SealedDisk> join(Iterator<SealPart> parts) throws IOException {
    ManifestParts joined = new ManifestParts();
    while (parts.hasNext()) {
      joined.add(parts.next());
    }
    return joined.finish();
  }

  /** After the last part. */
  List<PeerMessages.SealedDisk> finish() throws IOException {
    endDisk();
    return disks.build();
  }

  void add(SealPart part) throws IOException {
    switch (part.getPartCase()) {
      case DISK -> {
        endDisk();
        header = part.getDisk();
      }
      case MANIFEST -> {
        if (header == null || manifest.size() + part.getManifest().size() > MAX_MANIFEST_BYTES) {
          throw new IOException("a part of a manifest that belongs to no disk or is too long");
        }
        manifest = manifest.concat(part.getManifest());
      }
      case PART_NOT_SET -> throw new IOException("a part of a kind that is not known here");
    }
  }

  private void endDisk() throws IOException {
    if (header == null) {
      return;
    }
    int crc = PeerMessages.SealedDisk.checksum(manifest);
    if (manifest.size() != header.getManifestBytes() || crc != header.getManifestCrc32C()) {
      throw new IOException(
          "the manifest of "
              + header.getTarget()
              + ": expected "
              + header.getManifestBytes()
              + " bytes, found "
              + manifest.size()
              + " or other ones");
    }
    disks.add(
        new PeerMessages.SealedDisk(
            header.getTarget(), header.getPending(), header.getIncomplete(), manifest, crc));
    header = null;
    manifest = ByteString.EMPTY;
  }
}
