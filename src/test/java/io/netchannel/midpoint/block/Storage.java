package io.netchannel.midpoint.block;

/**
 * A shared disk: what is in it survives and is seen by every host. Hosts have a cache in front of
 * it.
 */
final class Storage {
  final byte[] bytes;

  Storage(int sizeBytes) {
    bytes = new byte[sizeBytes];
  }

  /** A host's write-back cache: survives its daemon, is invisible to other hosts until flushed. */
  final class HostCache {
    final byte[] cached = bytes.clone();
    final boolean[] dirty = new boolean[bytes.length / BlockLimits.SECTOR_BYTES];

    void write(int offset, byte[] data) {
      System.arraycopy(data, 0, cached, offset, data.length);
      for (int i = 0; i < data.length; i += BlockLimits.SECTOR_BYTES) {
        dirty[(offset + i) / BlockLimits.SECTOR_BYTES] = true;
      }
    }

    void flush() {
      for (int sector = 0; sector < dirty.length; sector++) {
        if (dirty[sector]) {
          int offset = sector * BlockLimits.SECTOR_BYTES;
          System.arraycopy(cached, offset, bytes, offset, BlockLimits.SECTOR_BYTES);
          dirty[sector] = false;
        }
      }
    }
  }

  HostCache host() {
    return new HostCache();
  }
}
