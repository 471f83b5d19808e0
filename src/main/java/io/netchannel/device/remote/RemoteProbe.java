package io.netchannel.device.remote;

import io.netchannel.device.Completion;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.Outcome;
import io.netchannel.wire.Attach;
import io.netchannel.wire.Attached;
import io.netchannel.wire.AttachedDisk;
import io.netchannel.wire.ExportKind;
import io.netchannel.wire.Preamble;
import io.netchannel.wire.Refusal;
import io.netchannel.wire.WireException;
import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Asks a server what an export is like, without a session. */
final class RemoteProbe extends Question<Attached> {
  private final Attach attach;

  /** Whether its version does; set before the answer is there. */
  private volatile boolean tellsStorage;

  private RemoteProbe(RemoteLink link, Attach attach) {
    super(link);
    this.attach = attach;
  }

  /** Waits until the server has answered; one attempt. */
  static Attached ask(RemoteLink link, String client, boolean readOnly) throws DeviceException {
    Attach disk = Attach.probe(link.address().export(), client, readOnly);
    boolean isUsb = link.address().kind() == ExportKind.USB;
    return new RemoteProbe(link, isUsb ? disk.asUsb() : disk).ask();
  }

  /**
   * Likewise.
   *
   * @return the identity of the storage that the export has; empty when the server does not tell
   */
  static Optional<UUID> storage(RemoteLink link, String client) throws DeviceException {
    // Also of an export that is read-only.
    RemoteProbe probe = new RemoteProbe(link, Attach.probe(link.address().export(), client, true));
    UUID told = probe.ask().disk().lastStorage();
    return probe.tellsStorage && !told.equals(AttachedDisk.UNTOLD)
        ? Optional.of(told)
        : Optional.empty();
  }

  private Attached ask() throws DeviceException {
    RemoteAddress address = link.address();
    CompletableFuture<RemoteConnection> connection =
        CompletableFuture.supplyAsync(() -> link.connect(this), link.loop());
    try {
      return answer.get(link.options().open().toMillis(), TimeUnit.MILLISECONDS);
    } catch (ExecutionException e) {
      throw new DeviceException(e.getCause().getMessage(), e.getCause());
    } catch (TimeoutException e) {
      throw new DeviceException(
          "%s: expected an answer within %d s, found none"
              .formatted(address, link.options().open().toSeconds()),
          e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new DeviceException(address + ": interrupted while it was asked", e);
    } finally {
      CompletableFuture<Void> unused =
          connection.thenAcceptAsync(RemoteConnection::abandon, link.loop());
    }
  }

  @Override
  public Attach attach(Preamble agreed) throws WireException {
    return attach.kind() == ExportKind.USB ? link.usb(attach, agreed) : attach;
  }

  @Override
  public void attached(Attached attached, Preamble agreed) {
    tellsStorage = agreed.hasStorage();
    answer.complete(attached);
  }

  @Override
  public void refused(Refusal reason, String text) {
    answer.completeExceptionally(link.refusal(reason, text));
  }

  /** A device for who only asks for its geometry. */
  record Looked(DeviceGeometry geometry) implements Device {
    @Override
    public void read(long offsetBytes, ByteBuffer data, Completion completion) {
      completion.complete(Outcome.UNSUPPORTED);
    }

    @Override
    public void write(long offsetBytes, ByteBuffer data, Completion completion) {
      completion.complete(Outcome.UNSUPPORTED);
    }

    @Override
    public void flush(Completion completion) {
      completion.complete(Outcome.UNSUPPORTED);
    }

    @Override
    public void discard(long offsetBytes, long lengthBytes, Completion completion) {
      completion.complete(Outcome.UNSUPPORTED);
    }

    @Override
    public void close() {}
  }
}
