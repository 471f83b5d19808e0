package io.netchannel.device.remote;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.DeviceException;
import io.netchannel.device.RequestName;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.Urb;
import io.netchannel.device.usb.UrbCompletion;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.wire.Attach;
import io.netchannel.wire.Attached;
import io.netchannel.wire.AttachedUsb;
import io.netchannel.wire.FrameHeader;
import io.netchannel.wire.FrameType;
import io.netchannel.wire.FrameWriter;
import io.netchannel.wire.Preamble;
import io.netchannel.wire.Status;
import io.netchannel.wire.UsbPort;
import io.netchannel.wire.WireException;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A USB device that another host exports. While its server is away URBs wait, and what is plugged
 * stays plugged. Everything but what submits belongs to the event loop of its attachment. {@link
 * #close} must not be called from a completion.
 */
final class RemoteUsbDevice
    implements UsbDevice, RemoteAttachment.Kind<UrbRequest>, RequestQueue.Fates<UrbRequest> {
  private static final Logger log = LoggerFactory.getLogger(RemoteUsbDevice.class);

  private final RemoteLink link;
  private final RemoteAttachment<UrbRequest> attachment;
  private final UrbCodec codec = new UrbCodec();
  private final RemotePort port = new RemotePort();

  /** Of the generation before, until they are taken up. */
  private final Map<RequestName, UrbRequest> inherited = new ConcurrentHashMap<>();

  /** Which has what was sent; null before it is known. */
  private UUID session;

  /** Whether what the server does not know may have been done: set while it attaches. */
  private boolean outcomesLost;

  /** Where the payload of a reply goes whose URB was not taken up when it began; null for none. */
  private ByteBuffer early;

  private RemoteUsbDevice(RemoteLink link, UsbOpenOptions.User user) {
    this.link = link;
    this.attachment =
        new RemoteAttachment<>(
            link,
            user.name(),
            user.generation(),
            false,
            this,
            () -> new UrbRequest(RemoteUsbDevice.this));
    attachment.requests().inherit(user.inherited().stream().map(this::left).toList());
  }

  private UrbRequest left(RequestName name) {
    UrbRequest request = new UrbRequest(this);
    request.slot = name.slot();
    request.sequence = name.sequence();
    request.inherited = true;
    request.sent = true;
    return request;
  }

  /** Waits until the server has answered. */
  static RemoteUsbDevice open(RemoteLink link, UsbOpenOptions.User user) throws DeviceException {
    RemoteUsbDevice device = new RemoteUsbDevice(link, user);
    var unused = device.attachment.open(!user.inherited().isEmpty());
    log.info(
        "{}: attached as {}, generation {}: {}",
        link.address(),
        user.name(),
        user.generation(),
        device
            .port()
            .plugged()
            .map(found -> found.descriptors().toString())
            .orElse("nothing there"));
    return device;
  }

  // ---- UsbDevice, on any thread

  @Override
  public PortState port() {
    return port.known();
  }

  @Override
  public void listen(PortListener newListener) {
    port.listen(newListener);
  }

  @Override
  public void submit(Urb urb, int ofIncarnation, UrbCompletion completion) {
    UrbRequest request = attachment.obtain();
    request.order = UrbRequest.Order.SUBMIT;
    request.urb = urb;
    request.incarnation = ofIncarnation;
    request.completion = completion;
    attachment.submit(request);
  }

  @Override
  public void unlink(Urb urb) {
    UrbRequest request = attachment.obtain();
    request.order = UrbRequest.Order.UNLINK;
    request.urb = urb;
    attachment.submit(request);
  }

  @Override
  public CompletableFuture<UrbStatus> reset() {
    CompletableFuture<UrbStatus> done = new CompletableFuture<>();
    UrbRequest request = attachment.obtain();
    request.order = UrbRequest.Order.RESET;
    request.reset = done;
    attachment.submit(request);
    return done;
  }

  @Override
  public Optional<CompletableFuture<Map<Urb, RequestName>>> custody() {
    CompletableFuture<Map<Urb, RequestName>> custody = new CompletableFuture<>();
    link.loop().execute(() -> custody.complete(custodyNow()));
    return Optional.of(custody);
  }

  /** Who goes on submits what is not in it: so nothing else may get there any more. */
  private Map<Urb, RequestName> custodyNow() {
    attachment.holdBack();
    ImmutableMap.Builder<Urb, RequestName> left = ImmutableMap.builder();
    for (UrbRequest request : attachment.requests().leave(each -> each.urb != null)) {
      left.put(request.urb, new RequestName(request.slot, request.sequence));
    }
    return left.buildOrThrow();
  }

  @Override
  public boolean takeUp(RequestName name, Urb urb, UrbCompletion completion) {
    UrbRequest left = inherited.remove(name);
    if (left == null) {
      return false;
    }
    UrbRequest request = attachment.obtain();
    request.order = UrbRequest.Order.TAKE_UP;
    request.urb = urb;
    request.completion = completion;
    request.takenUp = left;
    attachment.submit(request);
    return true;
  }

  @Override
  public void relinquish() {
    attachment.relinquish();
  }

  @Override
  public void useGeneration(long newer) {
    attachment.useGeneration(newer);
  }

  @Override
  public void keepPlace() {
    attachment.keepPlace();
  }

  @Override
  public boolean isGivenFree() {
    return attachment.isGivenFree();
  }

  @Override
  public Optional<String> problem() {
    return attachment.problem();
  }

  @Override
  public void close() {
    attachment.close();
  }

  // ---- requests

  @Override
  public void takeIn(UrbRequest request) {
    switch (request.order) {
      case SUBMIT -> {
        request.urb.attach(request);
        if (!UrbCodec.isSound(request)) {
          finish(request, UrbStatus.INVALID);
        } else if (isGone(request)) {
          finish(request, UrbStatus.NO_DEVICE);
        } else {
          request.takesWindow();
          attachment.requests().add(request);
        }
      }
      case UNLINK -> {
        // Of a URB that has ended there is none, also when it is on its way in once more.
        Object of = request.urb.attachment();
        attachment.giveBack(request);
        if (of instanceof UrbRequest found && found.owner == this) {
          unlink(found);
        }
      }
      case RESET -> {
        // It unlinks what was submitted before, and must not wait behind that for a slot.
        cancelWaiting();
        attachment.requests().add(request);
      }
      case TAKE_UP -> takeUp(request);
    }
  }

  /** Whether what it is for is not plugged any more. */
  private boolean isGone(UrbRequest request) {
    return request.order == UrbRequest.Order.SUBMIT && port.isGone(request.incarnation);
  }

  private void unlink(UrbRequest request) {
    if (!attachment.requests().removeWaiting(each -> each == request).isEmpty()) {
      finish(request, UrbStatus.CANCELLED);
    } else if (!request.unlinked) {
      request.unlinked = true;
      if (attachment.isAttached()) {
        sendUnlink(request);
        attachment.writer().flush();
      }
    }
  }

  private void cancelWaiting() {
    attachment
        .requests()
        .removeWaiting(each -> each.order == UrbRequest.Order.SUBMIT)
        .forEach(each -> finish(each, UrbStatus.CANCELLED));
  }

  private void sendUnlink(UrbRequest request) {
    FrameWriter writer = attachment.writer();
    writer.header().urbOrder(FrameType.UNLINK, request.slot, request.sequence);
    writer.add();
  }

  private void takeUp(UrbRequest order) {
    UrbRequest request = order.takenUp;
    request.urb = order.urb;
    request.completion = order.completion;
    attachment.giveBack(order);
    request.urb.attach(request);
    if (request.outcome == null) {
      return; // its reply comes
    }
    UrbStatus status = request.outcome.status();
    try {
      if (request.outcome.payload().isPresent()) {
        codec.read(request.urb, request.outcome.header(), request.outcome.payload().get());
        tell(request);
        return;
      }
    } catch (WireException e) {
      log.error("{}: a URB is taken up as another one: {}", link.address(), e.getMessage());
      status = UrbStatus.PROTOCOL;
    }
    finish(request, status);
  }

  @Override
  public void send(UrbRequest request, FrameWriter writer) {
    request.sent = true;
    if (request.order == UrbRequest.Order.RESET) {
      writer.header().urbOrder(FrameType.RESET, request.slot, request.sequence);
      writer.add();
    } else {
      codec.add(request, port.serversIncarnation(), writer);
    }
  }

  @Override
  public ByteBuffer target(FrameHeader header) throws WireException {
    UrbRequest request = attachment.requests().get(header.slot(), header.sequence());
    if (request.order == UrbRequest.Order.RESET) {
      throw new WireException("%s: expected no data of a reset".formatted(header));
    }
    if (request.urb == null) {
      early = ByteBuffer.allocate(header.payloadBytes());
      return early.duplicate();
    }
    return codec.target(request.urb, header);
  }

  @Override
  public void reply(FrameHeader header) throws WireException {
    UrbRequest request = attachment.requests().get(header.slot(), header.sequence());
    ByteBuffer payload = early;
    early = null;
    if (request.order == UrbRequest.Order.RESET) {
      attachment.requests().answered(request);
      finish(request, UrbCodec.status(header.statusCode()));
    } else if (request.urb == null) {
      attachment.requests().answered(request);
      request.outcome = UrbRequest.Outcome.of(header, payload);
    } else {
      if (payload == null) {
        codec.read(request.urb, header);
      } else { // it was taken up while its payload was arriving
        codec.read(request.urb, header, payload);
      }
      attachment.requests().answered(request);
      tell(request);
    }
    tellPort();
  }

  @Override
  public void fail(UrbRequest request) {
    switch (request.order) {
      case SUBMIT, RESET -> finish(request, UrbStatus.PROTOCOL);
      case UNLINK -> attachment.giveBack(request);
      case TAKE_UP -> takeUp(request);
    }
  }

  /** Without a reply. */
  private void finish(UrbRequest request, UrbStatus status) {
    if (request.order == UrbRequest.Order.RESET) {
      CompletableFuture<UrbStatus> reset = request.reset;
      attachment.giveBack(request);
      reset.complete(status);
    } else if (request.urb == null) {
      request.outcome = UrbRequest.Outcome.of(status);
    } else {
      request.urb.clearOutcome();
      request.urb.done(status, 0);
      tell(request);
    }
  }

  /** The request is free for the next one before its submitter, who may have one, is told. */
  private void tell(UrbRequest request) {
    Urb urb = request.urb;
    UrbCompletion completion = request.completion;
    urb.attach(null);
    attachment.giveBack(request);
    UrbCompletion.tell(completion, urb, link.address());
  }

  // ---- the port

  @Override
  public void port(UsbPort now) {
    hear(now, true);
  }

  private void hear(UsbPort now, boolean counts) {
    port.hear(now, counts);
    if (port.isChanging()) {
      attachment
          .requests()
          .removeWaiting(this::isGone)
          .forEach(each -> finish(each, UrbStatus.NO_DEVICE));
      tellPort();
    }
  }

  /** The user is told of what was plugged or unplugged when all URBs of before have ended. */
  private void tellPort() {
    if (port.isChanging() && attachment.requests().inOrder().stream().noneMatch(this::isGone)) {
      port.tell();
    }
  }

  // ---- the connection

  @Override
  public Attach attach(Attach plain, Preamble agreed) throws WireException {
    return link.usb(plain, agreed);
  }

  /** Whatever is plugged: that is told as it changes. */
  @Override
  public Optional<String> changed(Attached first, Attached now) {
    return Optional.empty();
  }

  @Override
  public void attached(Attached attached, Preamble agreed) {
    AttachedUsb usb = attached.usb();
    boolean isSame = usb.session().equals(session);
    outcomesLost = session == null ? usb.fresh() : !isSame;
    session = usb.session();
    hear(usb.port(), isSame);
    attachment.requests().attached(attached, this);
    boolean any = false;
    for (UrbRequest request : attachment.requests().inOrder()) {
      if (request.inherited) {
        inherit(request);
      }
      if (request.unlinked) {
        sendUnlink(request);
        any = true;
      }
    }
    if (any) {
      attachment.writer().flush();
    }
    tellPort();
  }

  /** It is one of this generation from now on, for who takes it up. */
  private void inherit(UrbRequest request) {
    request.inherited = false;
    request.incarnation = port.incarnation();
    inherited.put(new RequestName(request.slot, request.sequence), request);
  }

  @Override
  public void done(UrbRequest request, Status status) {
    throw new IllegalStateException("of a USB device nothing is DONE; it was checked");
  }

  /** What the server never had. What another life of it had may have been done. */
  @Override
  public boolean isSentAgain(UrbRequest request) {
    boolean isSentAgain = !isOver(request) && !request.unlinked;
    if (isSentAgain) {
      request.sent = false;
    }
    return isSentAgain;
  }

  private boolean isOver(UrbRequest request) {
    return (request.order == UrbRequest.Order.SUBMIT && request.urb == null)
        || (outcomesLost && request.sent)
        || isGone(request);
  }

  @Override
  public void lost(UrbRequest request) {
    if (request.inherited && !outcomesLost) {
      return; // never done, and its owner's still
    }
    if (request.inherited) {
      inherit(request);
    }
    if (outcomesLost && request.sent) {
      finish(request, UrbStatus.PROTOCOL);
    } else {
      finish(request, request.unlinked ? UrbStatus.CANCELLED : UrbStatus.NO_DEVICE);
    }
  }

  @Override
  public void ready() {}

  @Override
  public void noted(long number, Status status, String words) throws WireException {
    throw new WireException("expected nothing noted of a USB device, found number " + number);
  }

  @Override
  public void failed() {
    tellPort();
  }

  @Override
  public void disconnected() {
    codec.stopReceiving();
    early = null;
  }

  @Override
  public void closes() {
    cancelWaiting();
    List<UrbRequest> outstanding = attachment.requests().inOrder();
    outstanding.stream()
        .filter(each -> each.order == UrbRequest.Order.SUBMIT)
        .forEach(this::unlink);
  }

  @Override
  public Optional<String> stays() {
    return Optional.empty();
  }

  @Override
  public void generationChanges() {}
}
