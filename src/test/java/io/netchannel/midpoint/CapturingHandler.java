package io.netchannel.midpoint;

import io.netchannel.vdevice.block.BlockRequest;
import io.netchannel.vdevice.block.VirtualDisk;
import java.util.function.Consumer;

/** Gives requests to a test. */
record CapturingHandler(Consumer<BlockRequest> requests) implements VirtualDisk.Handler {
  @Override
  public void onRequest(BlockRequest request) {
    requests.accept(request);
  }

  @Override
  public void onConnected() {}

  @Override
  public void onDisconnected() {}
}
