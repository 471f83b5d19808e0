package io.netchannel.files;

import java.nio.ByteBuffer;
import java.util.zip.CRC32C;

/** CRC32C (RFC 3720, appendix B.4), as processors compute it. Not thread-safe. */
public final class Crc32c {
  private final CRC32C crc = new CRC32C();

  /** Of all that remains in the buffer, which is as it was. */
  public static int of(ByteBuffer bytes) {
    return new Crc32c().add(bytes).value();
  }

  /** Goes on with what remains in the buffer, which is as it was. */
  public Crc32c add(ByteBuffer bytes) {
    crc.update(bytes.duplicate());
    return this;
  }

  /** Of all bytes so far; more may follow. */
  public int value() {
    return (int) crc.getValue();
  }
}
