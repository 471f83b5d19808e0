package io.netchannel.xen.jna;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.jna.Native;
import com.sun.jna.Pointer;
import io.netchannel.xen.GrantCopy;
import io.netchannel.xen.GrantCopy.Direction;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What Java writes for libxengnttab against what the C compiler makes of its header. */
class GrantCopySegmentsTest {
  private final ByteBuffer local = ByteBuffer.allocateDirect(16384);
  private final GrantCopySegments segments = new GrantCopySegments();

  @ParameterizedTest
  @EnumSource(Direction.class)
  void laidOutAsInC(Direction direction) throws IOException {
    Path program = Path.of("target/grantcopy").toAbsolutePath();
    NativeTests.compile(Path.of("src/test/native/grantcopy.c"), program);
    long address = Pointer.nativeValue(Native.getDirectBufferPointer(local));
    byte[] expected =
        NativeTests.run(
            List.of(program.toString(), direction.name(), "0x" + Long.toHexString(address)));

    GrantCopy batch = new GrantCopy(2).reset(0x7fef, direction, local);
    batch.add(8, 0, 4096, 4096);
    batch.add(0xfedcba98, 3584, 512, 8192);
    byte[] written = segments.encode(batch).getByteArray(0, 2 * GrantCopySegments.SEGMENT_BYTES);
    assertThat(written).isEqualTo(expected);
  }

  @Test
  void aSliceBeginsWhereItBegins() {
    GrantCopy batch = new GrantCopy(1).reset(1, Direction.TO_GUEST, local.slice(4096, 4096));
    batch.add(8, 0, 16, 32);
    long address = Pointer.nativeValue(Native.getDirectBufferPointer(local));
    assertThat(segments.encode(batch).getLong(0)).isEqualTo(address + 4096 + 32);
  }

  @Test
  void growsWithTheBatch() {
    int many = 1000;
    GrantCopy batch = new GrantCopy(many).reset(1, Direction.FROM_GUEST, local);
    for (int i = 0; i < many; i++) {
      batch.add(i, 0, 16, 0);
    }
    Pointer array = segments.encode(batch);
    assertThat(array.getInt((many - 1L) * GrantCopySegments.SEGMENT_BYTES)).isEqualTo(many - 1);
  }

  @Test
  void oneRefusedSegmentIsSeen() {
    GrantCopy batch = new GrantCopy(2).reset(1, Direction.FROM_GUEST, local);
    batch.add(8, 0, 16, 0);
    batch.add(9, 0, 16, 16);
    Pointer array = segments.encode(batch);
    assertThat(segments.allCopied(2)).isTrue();
    array.setShort(GrantCopySegments.SEGMENT_BYTES + 20, (short) -3);
    assertThat(segments.allCopied(2)).isFalse();
    assertThat(segments.allCopied(1)).isTrue();
    assertThat(GrantStatus.describe(segments.status(1))).contains("bad grant reference");
    assertThat(GrantStatus.describe(-99)).contains("unknown").contains("-99");
  }
}
