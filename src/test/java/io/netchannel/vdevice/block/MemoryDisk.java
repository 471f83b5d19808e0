package io.netchannel.vdevice.block;

import io.netchannel.vdevice.VirtualDevice;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * A disk in memory behind a {@link VirtualDisk}: holds requests until it is told to answer them.
 */
final class MemoryDisk implements VirtualDevice.Handler<BlockRequest> {
  final byte[] content;
  final List<BlockRequest> held = new ArrayList<>();
  final List<String> log = new ArrayList<>();
  private final ByteBuffer buffer = ByteBuffer.allocateDirect(256 * 4096);
  int connections;
  int disconnections;

  MemoryDisk(int sizeBytes) {
    content = new byte[sizeBytes];
  }

  BlockGeometry geometry() {
    return new BlockGeometry(content.length, 512, 4096, false, true, 4096);
  }

  @Override
  public void onRequest(BlockRequest request) {
    log.add(request.toString());
    held.add(request);
  }

  @Override
  public void onConnected() {
    connections++;
  }

  @Override
  public void onDisconnected() {
    disconnections++;
  }

  /** Serves and answers a held request; it is not released. */
  BlockRequest answer(int index) {
    BlockRequest request = held.remove(index);
    request.respond(serve(request) ? ResponseStatus.OKAY : ResponseStatus.ERROR);
    return request;
  }

  /** Answers all that is held, first to last, and releases it. */
  int answerAll() {
    int count = held.size();
    while (!held.isEmpty()) {
      answer(0).release();
    }
    return count;
  }

  boolean serve(BlockRequest request) {
    int offset = (int) request.offsetBytes();
    int length = (int) request.lengthBytes();
    return switch (request.operation()) {
      case READ -> {
        buffer.put(0, content, offset, length);
        yield request.copyToGuest(buffer);
      }
      case WRITE, WRITE_BARRIER, FLUSH -> {
        boolean copied = request.copyFromGuest(buffer);
        if (copied) {
          buffer.get(0, content, offset, length);
        }
        yield copied;
      }
      case DISCARD -> {
        java.util.Arrays.fill(content, offset, offset + length, (byte) 0);
        yield true;
      }
    };
  }
}
