package io.netchannel.midpoint;

import io.netchannel.vdevice.VirtualRequest;
import java.nio.ByteBuffer;

/** A request of no kind of device. */
record TestRequest(long id) implements VirtualRequest {
  @Override
  public int queue() {
    return 0;
  }

  @Override
  public boolean seen() {
    return true;
  }

  @Override
  public void encode(ByteBuffer target) {
    target.putLong(id);
  }

  @Override
  public void release() {}
}
