package io.netchannel.midpoint.block;

import io.netchannel.vdevice.VirtualDevice;
import io.netchannel.vdevice.block.BlockRequest;
import java.util.function.Consumer;

/** Gives requests to a test. */
record CapturingHandler(Consumer<BlockRequest> requests)
    implements VirtualDevice.Handler<BlockRequest> {
  @Override
  public void onRequest(BlockRequest request) {
    requests.accept(request);
  }

  @Override
  public void onConnected() {}

  @Override
  public void onDisconnected() {}
}
