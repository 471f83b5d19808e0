package io.netchannel.wire;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.channel.AdaptiveRecvByteBufAllocator;
import io.netty.channel.RecvByteBufAllocator;
import io.netty.util.UncheckedBooleanSupplier;
import java.util.function.Supplier;

/**
 * Lets a socket's bytes be received where they belong: a long payload costs no copy of its own
 * then. Only for a handler that gets the socket's own bytes; with TLS those are not what it wants.
 */
@SuppressWarnings("deprecation") // Handle: the interface has no other
public final class DirectReceive implements RecvByteBufAllocator {
  /** Shorter ones are received together with what comes after them. */
  public static final int LEAST_BYTES = 16 << 10;

  /** A header that is received alone says nothing about how much comes together. */
  private static final int LEAST_TOGETHER_BYTES = 2048;

  private static final int MOST_TOGETHER_BYTES = 64 << 10;

  private final RecvByteBufAllocator otherwise =
      new AdaptiveRecvByteBufAllocator(
          LEAST_TOGETHER_BYTES, LEAST_TOGETHER_BYTES, MOST_TOGETHER_BYTES);
  private final Supplier<ByteBuf> place;

  /**
   * @param place where the next bytes shall go: an empty buffer over direct memory, which the
   *     handler is given back with them in it; null when it does not matter. Asked before each read
   */
  public DirectReceive(Supplier<ByteBuf> place) {
    this.place = place;
  }

  @Override
  public Handle newHandle() {
    return new Receiving(otherwise.newHandle(), place);
  }

  private static final class Receiving extends DelegatingHandle implements ExtendedHandle {
    private final Supplier<ByteBuf> place;

    Receiving(Handle otherwise, Supplier<ByteBuf> place) {
      super(otherwise);
      this.place = place;
    }

    @Override
    public ByteBuf allocate(ByteBufAllocator allocator) {
      ByteBuf wanted = place.get();
      return wanted == null ? super.allocate(allocator) : wanted;
    }

    @Override
    public boolean continueReading(UncheckedBooleanSupplier maybeMore) {
      return ((ExtendedHandle) delegate()).continueReading(maybeMore);
    }
  }
}
