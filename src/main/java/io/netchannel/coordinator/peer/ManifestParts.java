package io.netchannel.coordinator.peer;

import com.google.common.collect.ImmutableList;
import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import io.netchannel.coordinator.PeerMessages;
import io.netchannel.coordinator.peer.v1.SealPart;
import io.netchannel.coordinator.peer.v1.SealedDevice;
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

  private SealedDevice header;
  private ByteString manifest = ByteString.EMPTY;
  private final ImmutableList.Builder<PeerMessages.SealedDevice> devices = ImmutableList.builder();

  /** A device in one message when its manifest is a usual one. */
  static List<SealPart> of(PeerMessages.SealedDevice device) {
    ByteString manifest = device.manifest();
    List<SealPart> parts = new ArrayList<>();
    int at = Math.min(CHUNK_BYTES, manifest.size());
    parts.add(
        SealPart.newBuilder()
            .setDevice(
                SealedDevice.newBuilder()
                    .setTarget(device.target())
                    .setPending(device.pending())
                    .setIncomplete(device.incomplete())
                    .setManifestBytes(manifest.size())
                    .setManifestCrc32C(device.manifestCrc32c())
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
  static List<PeerMessages.SealedDevice> join(Iterator<SealPart> parts) throws IOException {
    ManifestParts joined = new ManifestParts();
    while (parts.hasNext()) {
      Optional<PeerMessages.SealedDevice> unused = joined.add(parts.next());
    }
    return joined.finish();
  }

  /** After the last part. */
  List<PeerMessages.SealedDevice> finish() throws IOException {
    if (header != null) {
      throw new IOException(
          "the manifest of %s: expected %d bytes, found %d"
              .formatted(header.getTarget(), header.getManifestBytes(), manifest.size()));
    }
    return devices.build();
  }

  /** Gives the device that this was the last part of. */
  Optional<PeerMessages.SealedDevice> add(SealPart part) throws IOException {
    switch (part.getPartCase()) {
      case DEVICE -> {
        if (header != null) {
          var unused = finish(); // says what is missing
        }
        header = part.getDevice();
        manifest = header.getManifestStart();
      }
      case MANIFEST -> {
        if (header == null || manifest.size() + part.getManifest().size() > MAX_MANIFEST_BYTES) {
          throw new IOException("a part of a manifest that belongs to no device or is too long");
        }
        manifest = manifest.concat(part.getManifest());
      }
      case PART_NOT_SET -> throw new IOException("a part of a kind that is not known here");
    }
    return manifest.size() < header.getManifestBytes()
        ? Optional.empty()
        : Optional.of(endDevice());
  }

  /** In one piece: it is read as one buffer, again and again, and the parts can go. */
  private static ByteString whole(ByteString manifest) {
    return manifest.asReadOnlyByteBufferList().size() <= 1
        ? manifest
        : UnsafeByteOperations.unsafeWrap(manifest.toByteArray());
  }

  private PeerMessages.SealedDevice endDevice() throws IOException {
    int crc = PeerMessages.SealedDevice.checksum(manifest);
    if (manifest.size() != header.getManifestBytes() || crc != header.getManifestCrc32C()) {
      throw new IOException(
          "the manifest of %s: expected %d bytes, found %d or other ones"
              .formatted(header.getTarget(), header.getManifestBytes(), manifest.size()));
    }
    PeerMessages.SealedDevice device =
        new PeerMessages.SealedDevice(
            header.getTarget(), header.getPending(), header.getIncomplete(), whole(manifest), crc);
    devices.add(device);
    header = null;
    manifest = ByteString.EMPTY;
    return device;
  }
}
