package io.netchannel.device.nbd;

import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceGeometry;
import java.nio.ByteBuffer;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a server tells of an export in its answer to NBD_OPT_GO or NBD_OPT_EXPORT_NAME.
 *
 * @param sizeBytes its size
 * @param flags transmission flags, of those that we use
 * @param minimumBlockBytes unit of offsets and lengths, a power of two
 * @param preferredBlockBytes unit of efficient requests, a power of two
 * @param maximumPayloadBytes the longest read or write
 */
record ExportInfo(
    long sizeBytes,
    int flags,
    int minimumBlockBytes,
    int preferredBlockBytes,
    int maximumPayloadBytes) {
  private static final Logger log = LoggerFactory.getLogger(ExportInfo.class);

  /** The sector of a disk; an export with a smaller unit, or none, is used in these. */
  private static final int SECTOR_BYTES = 512;

  /** The largest logical block of a guest's disk: a page. */
  private static final int PAGE_BYTES = 4096;

  /** What the protocol says of an export that tells no sizes. */
  private static final int DEFAULT_PREFERRED_BYTES = 4096;

  /** Our own bound, where a server has none: of a request that fails, little is done again. */
  private static final int MOST_PAYLOAD_BYTES = NbdProtocol.DEFAULT_MAX_PAYLOAD_BYTES;

  /** Others make no other export: a server that was updated may have more of them. */
  private static final int USED_FLAGS =
      NbdProtocol.FLAG_HAS_FLAGS
          | NbdProtocol.FLAG_READ_ONLY
          | NbdProtocol.FLAG_SEND_FLUSH
          | NbdProtocol.FLAG_SEND_FUA
          | NbdProtocol.FLAG_SEND_TRIM
          | NbdProtocol.FLAG_SEND_WRITE_ZEROES;

  private static final int EXPORT_BYTES = 10;
  private static final int BLOCK_SIZE_BYTES = 12;
  private static final int TYPE_BYTES = 2;

  /** Collects the NBD_REP_INFO replies of one NBD_OPT_GO. */
  static final class Builder {
    private boolean told;
    private long sizeBytes;
    private int flags;
    private int minimum = 1;
    private int preferred = DEFAULT_PREFERRED_BYTES;
    private long maximum = NbdProtocol.DEFAULT_MAX_PAYLOAD_BYTES;

    /**
     * Takes the payload of one reply; kinds that we do not know are passed over.
     *
     * @throws NbdProtocolException when it is not what the protocol says
     */
    void add(ByteBuffer payload) throws NbdProtocolException {
      if (payload.remaining() < TYPE_BYTES) {
        throw new NbdProtocolException("expected the type of an info, found an empty one");
      }
      int type = Short.toUnsignedInt(payload.getShort());
      switch (type) {
        case NbdProtocol.INFO_EXPORT -> {
          expect("NBD_INFO_EXPORT", EXPORT_BYTES, payload);
          addExport(payload);
        }
        case NbdProtocol.INFO_BLOCK_SIZE -> {
          expect("NBD_INFO_BLOCK_SIZE", BLOCK_SIZE_BYTES, payload);
          minimum = payload.getInt();
          preferred = payload.getInt();
          maximum = Integer.toUnsignedLong(payload.getInt());
          if (Integer.bitCount(minimum) != 1
              || minimum < 0
              || Integer.bitCount(preferred) != 1
              || preferred < minimum
              || maximum < minimum) {
            throw new NbdProtocolException(
                "expected powers of two as block sizes, the minimum the least, found %d, %d and %d"
                    .formatted(minimum, preferred, maximum));
          }
        }
        default -> {}
      }
    }

    /** Takes size and transmission flags, as NBD_INFO_EXPORT and NBD_OPT_EXPORT_NAME tell them. */
    void addExport(ByteBuffer payload) throws NbdProtocolException {
      sizeBytes = payload.getLong();
      flags = Short.toUnsignedInt(payload.getShort()) & USED_FLAGS;
      if (sizeBytes < 0) {
        throw new NbdProtocolException(
            "expected a size of less than 8 EiB, found "
                + Long.toUnsignedString(sizeBytes)
                + " bytes");
      }
      told = true;
    }

    ExportInfo build() throws NbdProtocolException {
      if (!told) {
        throw new NbdProtocolException("expected NBD_INFO_EXPORT before the end, found none");
      }
      long most = Math.min(maximum, MOST_PAYLOAD_BYTES);
      // Whole pages, or whole sectors of a server that takes less. What is less still is no disk.
      int unit = Math.max(minimum, most < PAGE_BYTES ? SECTOR_BYTES : PAGE_BYTES);
      return new ExportInfo(
          sizeBytes, flags, minimum, preferred, (int) (most < unit ? most : most - most % unit));
    }

    private static void expect(String what, int bytes, ByteBuffer payload)
        throws NbdProtocolException {
      if (payload.remaining() != bytes) {
        throw new NbdProtocolException(
            "expected %d bytes of %s, found %d".formatted(bytes, what, payload.remaining()));
      }
    }
  }

  boolean has(int flag) {
    return (flags & flag) != 0;
  }

  /**
   * The export as a disk.
   *
   * @param wantReadOnly the disk is read-only whatever the export is
   * @throws DeviceException when it cannot be one
   */
  DeviceGeometry geometry(NbdUri uri, boolean wantReadOnly) throws DeviceException {
    if (uri.writeThrough()
        && !wantReadOnly
        && has(NbdProtocol.FLAG_SEND_FLUSH)
        && !has(NbdProtocol.FLAG_SEND_FUA)) {
      throw new DeviceException(
          "the server of %s has no FUA, which cache=writethrough needs; let the server itself write"
                  .formatted(uri)
              + " through, or leave the option away");
    }
    boolean exportedReadOnly = has(NbdProtocol.FLAG_READ_ONLY);
    if (exportedReadOnly && !wantReadOnly) {
      throw new DeviceException(
          uri + " is exported read-only; it can only be served with readonly=\"yes\"");
    }
    int logical = minimumBlockBytes <= SECTOR_BYTES ? SECTOR_BYTES : PAGE_BYTES;
    if (minimumBlockBytes > PAGE_BYTES || maximumPayloadBytes < logical) {
      throw new DeviceException(
          "%s takes requests of %d to %d bytes; a disk needs some of %d to %d"
              .formatted(uri, minimumBlockBytes, maximumPayloadBytes, SECTOR_BYTES, PAGE_BYTES));
    }
    long usable = sizeBytes - sizeBytes % logical;
    if (usable == 0) {
      throw new DeviceException(
          "%s has %d bytes; a disk needs at least one sector of %d"
              .formatted(uri, sizeBytes, logical));
    }
    if (usable != sizeBytes) {
      log.warn(
          "{}: its size of {} bytes is not a multiple of {}; the last {} bytes are not used",
          uri,
          sizeBytes,
          logical,
          sizeBytes - usable);
    }
    // The preferred block is a hint from which size on requests go well; of trims it says nothing.
    // Object stores say up to 4 MiB: no sector of a disk, and a guest that took it for the unit of
    // discards would drop all that are shorter. A page is the block of guests' file systems.
    int physical = Math.max(Math.min(preferredBlockBytes, PAGE_BYTES), logical);
    boolean canDiscard = !wantReadOnly && has(NbdProtocol.FLAG_SEND_TRIM);
    return new DeviceGeometry(
        usable,
        logical,
        physical,
        wantReadOnly,
        has(NbdProtocol.FLAG_SEND_FLUSH),
        canDiscard,
        canDiscard ? physical : 0,
        !wantReadOnly && has(NbdProtocol.FLAG_SEND_WRITE_ZEROES));
  }

  /**
   * Why a server that has come back with this cannot go on for one that was lost. A larger export,
   * a finer unit, more abilities harm nobody; the user goes on with what it knows.
   *
   * @param geometry what the user was told of the lost one
   * @param neededFlags abilities that are in use
   * @return empty when it can
   */
  Optional<String> difference(DeviceGeometry geometry, int neededFlags) {
    if (sizeBytes < geometry.sizeBytes()) {
      return Optional.of(
          "is smaller: it has %d bytes, and had %d".formatted(sizeBytes, geometry.sizeBytes()));
    }
    if (minimumBlockBytes > geometry.logicalBlockBytes()
        || maximumPayloadBytes < geometry.logicalBlockBytes()) {
      return Optional.of(
          "takes requests of %d to %d bytes, and the disk has sectors of %d"
              .formatted(minimumBlockBytes, maximumPayloadBytes, geometry.logicalBlockBytes()));
    }
    if (has(NbdProtocol.FLAG_READ_ONLY) && !geometry.readOnly()) {
      return Optional.of("is read-only now");
    }
    if (has(NbdProtocol.FLAG_SEND_FLUSH) && !geometry.canFlush() && !geometry.readOnly()) {
      return Optional.of("has a volatile cache now, which the user was told that it has not");
    }
    int missing = neededFlags & ~flags;
    return missing == 0
        ? Optional.empty()
        : Optional.of("has lost abilities that are in use (flags %#x)".formatted(missing));
  }
}
