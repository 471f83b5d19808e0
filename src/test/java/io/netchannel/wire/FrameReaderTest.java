package io.netchannel.wire;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Where the socket's bytes are received. */
final class FrameReaderTest {
  private static final int LONG_BYTES = DirectReceive.LEAST_BYTES;

  private final List<FrameType> frames = new ArrayList<>();
  private boolean isDirect = true;
  private ByteBuffer memory = ByteBuffer.allocate(0);

  private final FrameReader reader =
      new FrameReader(
          new FrameReader.Receiver() {
            @Override
            public void preamble(Preamble theirs) {
              reader.limit(theirs);
            }

            @Override
            public ByteBuffer target(FrameHeader header) {
              int bytes = header.payloadBytes();
              memory = isDirect ? ByteBuffer.allocateDirect(bytes) : ByteBuffer.allocate(bytes);
              return memory.duplicate();
            }

            @Override
            public void frame(FrameHeader header) {
              frames.add(header.type());
            }
          });

  @BeforeEach
  void begin() throws WireException {
    ByteBuf out = Unpooled.buffer();
    Preamble.OURS.encode(out);
    reader.read(out);
  }

  private static ByteBuf write(int bytes) {
    ByteBuf out = Unpooled.buffer();
    new FrameHeader().request(FrameType.WRITE, 1, 2, 0, bytes).encode(out);
    return out;
  }

  private static ByteBuf flush() {
    ByteBuf out = Unpooled.buffer();
    new FrameHeader().request(FrameType.FLUSH, 1, 2, 0, 0).encode(out);
    return out;
  }

  /** As the socket does it. */
  private void receive(ByteBuf bytes) throws WireException {
    ByteBuf place = reader.place();
    assertThat(place.isReadable()).isFalse();
    place.writeBytes(bytes, Math.min(bytes.readableBytes(), place.writableBytes()));
    reader.read(place);
    place.release();
  }

  @Test
  void aLongPayloadGoesWhereItBelongs() throws WireException {
    assertThat(reader.place()).as("of a header, whatever comes with it").isNull();
    reader.read(write(LONG_BYTES));
    receive(Unpooled.buffer().writeZero(LONG_BYTES - 1).setByte(0, 42));
    assertThat(memory.get(0)).isEqualTo((byte) 42);
    assertThat(reader.place()).as("for the last byte").isNull();
    reader.read(Unpooled.wrappedBuffer(new byte[] {43}));
    assertThat(memory.get(LONG_BYTES - 1)).isEqualTo((byte) 43);
    assertThat(frames).containsExactly(FrameType.WRITE);
  }

  /** Otherwise most of the next payload would come with it, and be copied. */
  @Test
  void theHeaderAfterALongPayloadComesAlone() throws WireException {
    reader.read(write(LONG_BYTES));
    receive(Unpooled.buffer().writeZero(LONG_BYTES));
    ByteBuf next = write(LONG_BYTES).writeZero(LONG_BYTES);
    receive(next);
    assertThat(next.readableBytes()).isEqualTo(LONG_BYTES);
    receive(next);
    assertThat(next.isReadable()).isFalse();
    receive(flush());
    assertThat(frames).containsExactly(FrameType.WRITE, FrameType.WRITE, FrameType.FLUSH);
    assertThat(reader.place()).as("after one without payload").isNull();
  }

  @Test
  void theRestOfAHeaderComesWithWhateverIsThere() throws WireException {
    reader.read(write(LONG_BYTES));
    receive(Unpooled.buffer().writeZero(LONG_BYTES));
    ByteBuf header = flush();
    receive(header.readSlice(FrameHeader.BYTES / 2));
    assertThat(reader.place()).isNull();
    reader.read(header);
    assertThat(frames).containsExactly(FrameType.WRITE, FrameType.FLUSH);
  }

  /** What is copied anyway is better received together. */
  @Test
  void noHeaderComesAloneWherePayloadsAreCopied() throws WireException {
    isDirect = false;
    reader.read(write(LONG_BYTES));
    assertThat(reader.place()).isNull();
    reader.read(Unpooled.buffer().writeZero(LONG_BYTES));
    assertThat(reader.place()).isNull();
    isDirect = true;
    reader.read(write(1).writeByte(0));
    assertThat(reader.place()).as("after a short one").isNull();
  }
}
