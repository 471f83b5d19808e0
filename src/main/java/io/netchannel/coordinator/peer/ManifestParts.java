package io.netchannel.coordinator.peer;

import com.google.common.collect.ImmutableList;
import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import io.netchannel.coordinator.PeerMessages;
import io.netchannel.coordinator.peer.v1.SealPart;
import io.netchannel.coordinator.peer.v1.SealedDisk;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;

/** Takes manifests apart for the way, and puts them together again. */
final class ManifestParts {
  /** Well under gRPC's limit of 4 MiB for a message. */
  static final int CHUNK_BYTES = 1 << 20;

  /** Every slot of eight 16-page rings with 4 MiB of data each comes nowhere near it. */
  private static final long MAX_MANIFEST_BYTES = 1L << 30;

  private SealedDisk header;
  private ByteString manifest = ByteString.EMPTY;
  private final ImmutableList.Builder<PeerMessages.SealedDisk> disks = ImmutableList.builder();

  /** A disk in one message when its manifest is a usual one. */
  static List<SealPart> of(PeerMessages.SealedDisk disk) {
    ByteString manifest = disk.manifest();
    List<SealPart> parts = new ArrayList<>();
    int at = Math.min(CHUNK_BYTES, manifest.size());
    parts.add(
        SealPart.newBuilder()
            .setDisk(
                SealedDisk.newBuilder()
                    .setTarget(disk.target())
                    .setPending(disk.pending())
                    .setIncomplete(disk.incomplete())
                    .setManifestBytes(manifest.size())
                    .setManifestCrc32C(disk.manifestCrc32c())
                    .setManifestStart(manifest.substring(0, at)))
            .build());
    while (at < manifest.size()) {
      int end = Math.min(manifest.size(), at + CHUNK_BYTES);
      parts.add(SealPart.newBuilder().setManifest(manifest.substring(at, end)).build());
      at = end;
    }
    return parts;
  }

  /** Reads all parts; a manifest that is not what its header says is an IOException. */
  static List<PeerMessages.SealedDisk> join(Iterator<SealPart> parts) throws IOException {
    ManifestParts joined = new ManifestParts();
    while (parts.hasNext()) {
      Optional<PeerMessages.SealedDisk> unused = joined.add(parts.next());
    }
    return joined.finish();
  }

  /** After the last part. */
  List<PeerMessages.SealedDisk> finish() throws IOException {
    if (header != null) {
      throw new IOException(
          "the manifest of %s: expected %d bytes, found %d"
              .formatted(header.getTarget(), header.getManifestBytes(), manifest.size()));
    }
    return disks.build();
  }

  /** Gives the disk that this was the last part of. */
  Optional<PeerMessages.SealedDisk> add(SealPart part) throws IOException {
    switch (part.getPartCase()) {
      case DISK -> {
        if (header != null) {
          var unused = finish(); // says what is missing
        }
        header = part.getDisk();
        manifest = header.getManifestStart();
      }
      case MANIFEST -> {
        if (header == null || manifest.size() + part.getManifest().size() > MAX_MANIFEST_BYTES) {
          throw new IOException("a part of a manifest that belongs to no disk or is too long");
        }
        manifest = manifest.concat(part.getManifest());
      }
      case PART_NOT_SET -> throw new IOException("a part of a kind that is not known here");
    }
    return manifest.size() < header.getManifestBytes() ? Optional.empty() : Optional.of(endDisk());
  }

  /** In one piece: it is read as one buffer, again and again, and the parts can go. */
  private static ByteString whole(ByteString manifest) {
    return manifest.asReadOnlyByteBufferList().size() <= 1
        ? manifest
        : UnsafeByteOperations.unsafeWrap(manifest.toByteArray());
  }

  private PeerMessages.SealedDisk endDisk() throws IOException {
    int crc = PeerMessages.SealedDisk.checksum(manifest);
    if (manifest.size() != header.getManifestBytes() || crc != header.getManifestCrc32C()) {
      throw new IOException(
          "the manifest of %s: expected %d bytes, found %d or other ones"
              .formatted(header.getTarget(), header.getManifestBytes(), manifest.size()));
    }
    PeerMessages.SealedDisk disk =
        new PeerMessages.SealedDisk(
            header.getTarget(), header.getPending(), header.getIncomplete(), whole(manifest), crc);
    disks.add(disk);
    header = null;
    manifest = ByteString.EMPTY;
    return disk;
  }
}
