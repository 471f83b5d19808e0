package io.netchannel.device.remote;

import io.netchannel.device.DeviceException;
import io.netchannel.wire.FrameHeader;
import io.netchannel.wire.Status;
import io.netchannel.wire.UsbPort;
import io.netchannel.wire.WireException;
import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;

/**
 * Asks a server one thing, over a connection of its own and without a session; on its event loop.
 *
 * @param <A> the answer
 */
abstract class Question<A> implements RemoteConnection.Owner {
  final RemoteLink link;
  final CompletableFuture<A> answer = new CompletableFuture<>();

  Question(RemoteLink link) {
    this.link = link;
  }

  @Override
  public final void lost(Throwable cause) {
    answer.completeExceptionally(new DeviceException(link.problem(cause), cause));
  }

  @Override
  public final ByteBuffer target(FrameHeader header) throws WireException {
    throw new WireException("expected no reply to a question, found %s".formatted(header));
  }

  @Override
  public final void reply(FrameHeader header) throws WireException {
    throw new WireException("expected no reply to a question, found %s".formatted(header));
  }

  @Override
  public final void noted(long number, Status status, String words) throws WireException {
    throw new WireException("expected nothing noted for a question, found number " + number);
  }

  @Override
  public final void port(UsbPort port) throws WireException {
    throw new WireException("expected no port for a question, found " + port);
  }

  @Override
  public final void readComplete() {}

  @Override
  public final void detached() {}
}
