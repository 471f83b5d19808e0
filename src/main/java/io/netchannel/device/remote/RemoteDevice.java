package io.netchannel.device.remote;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.Completion;
import io.netchannel.device.Custody;
import io.netchannel.device.Device;
import io.netchannel.device.DeviceException;
import io.netchannel.device.DeviceGeometry;
import io.netchannel.device.Extents;
import io.netchannel.device.Inheritance;
import io.netchannel.device.OpenOptions;
import io.netchannel.device.Outcome;
import io.netchannel.device.RequestName;
import io.netchannel.wire.Attach;
import io.netchannel.wire.Attached;
import io.netchannel.wire.AttachedDisk;
import io.netchannel.wire.FrameHeader;
import io.netchannel.wire.FrameType;
import io.netchannel.wire.FrameWriter;
import io.netchannel.wire.Moved;
import io.netchannel.wire.Preamble;
import io.netchannel.wire.Stages;
import io.netchannel.wire.Status;
import io.netchannel.wire.UsbPort;
import io.netchannel.wire.WireException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A disk that another host exports. Everything but what submits belongs to the event loop of its
 * attachment. {@link #close} must not be called from a completion.
 */
final class RemoteDevice
    implements Device, RemoteAttachment.Kind<DiskRequest>, RequestQueue.Fates<DiskRequest> {
  private static final Logger log = LoggerFactory.getLogger(RemoteDevice.class);

  private final RemoteLink link;
  private final RemoteAttachment<DiskRequest> attachment;
  private final boolean readOnly;

  /** Whether it is one of two. */
  private volatile boolean leg;

  /** As it was opened; null before. */
  private volatile DeviceGeometry geometry;

  private final UnflushedWrites unflushed = new UnflushedWrites();

  /** Whether a flush is on its way that tells the server: seen, and nothing lost. */
  private boolean confirming;

  /** Whether the server has ZERO and EXTENTS, since it is ATTACHED. */
  private boolean hasZero;

  private final PlaceNotes notes;

  /** Whether the server can be told of them, since it is ATTACHED. */
  private boolean hasMoved;

  /** That the server takes in one, since it is ATTACHED. */
  private int maxRequestBytes;

  private DiskRequest receiving;

  /** Fates of the writes it was opened with; complete when it is opened. */
  private final Map<RequestName, Outcome> inherited = new ConcurrentHashMap<>();

  private RemoteDevice(RemoteLink link, OpenOptions.User user, OpenOptions options) {
    this.link = link;
    this.leg = options.leg();
    this.notes = new PlaceNotes(link.address().toString(), options.anew());
    this.readOnly = options.readOnly();
    this.attachment =
        new RemoteAttachment<>(
            link, user.name(), user.generation(), readOnly, this, DiskRequest::new);
    user.inheritance().ifPresent(this::inherit);
  }

  private void inherit(Inheritance left) {
    if (!readOnly) {
      unflushed.inherit(left.storage());
    }
    List<DiskRequest> writes = new ArrayList<>();
    for (RequestName name : left.writes()) {
      DiskRequest write = new DiskRequest();
      write.type = FrameType.WRITE;
      write.slot = name.slot();
      write.sequence = name.sequence();
      write.inherited = true;
      write.completion = outcome -> inherited.put(name, outcome);
      writes.add(write);
    }
    attachment.requests().inherit(writes);
  }

  /** Waits until the server has answered. */
  static RemoteDevice open(RemoteLink link, OpenOptions.User user, OpenOptions options)
      throws DeviceException {
    RemoteDevice device = new RemoteDevice(link, user, options);
    Attached attached = device.attachment.open(user.inheritance().isPresent());
    log.info(
        "{}: attached as {}, generation {}, {} bytes",
        link.address(),
        user.name(),
        user.generation(),
        attached.disk().geometry().sizeBytes());
    if (user.inheritance().filter(left -> left.storage().isEmpty()).isPresent()) {
      // What is durable long ago must not count as lost with the server's memory later on.
      device.flush(outcome -> {});
    }
    return device;
  }

  // ---- Device, on any thread

  @Override
  public DeviceGeometry geometry() {
    return geometry;
  }

  @Override
  public void read(long offsetBytes, ByteBuffer data, Completion completion) {
    submit(FrameType.READ, offsetBytes, data.remaining(), data, completion);
  }

  @Override
  public void write(long offsetBytes, ByteBuffer data, Completion completion) {
    submit(FrameType.WRITE, offsetBytes, data.remaining(), data, completion);
  }

  @Override
  public void flush(Completion completion) {
    submit(FrameType.FLUSH, 0, 0, null, completion);
  }

  @Override
  public void discard(long offsetBytes, long lengthBytes, Completion completion) {
    submit(FrameType.DISCARD, offsetBytes, lengthBytes, null, completion);
  }

  @Override
  public void zero(
      long offsetBytes, long lengthBytes, boolean mayDeallocate, Completion completion) {
    if (!geometry().canZero()) {
      completion.complete(Outcome.UNSUPPORTED);
    } else if (lengthBytes == 0) {
      completion.complete(Outcome.OK);
    } else {
      DiskRequest request = fill(FrameType.ZERO, offsetBytes, lengthBytes, null, completion);
      request.mayDeallocate = mayDeallocate;
      attachment.submit(request);
    }
  }

  @Override
  public CompletableFuture<Extents> extents(long offsetBytes, long lengthBytes) {
    if (lengthBytes == 0) {
      return CompletableFuture.completedFuture(Extents.ALL_DATA);
    }
    ZerosAnswer answer = new ZerosAnswer();
    DiskRequest request = fill(FrameType.EXTENTS, offsetBytes, lengthBytes, answer.bytes(), answer);
    request.answer = answer;
    attachment.submit(request);
    return answer.told();
  }

  private void submit(
      FrameType type, long offsetBytes, long lengthBytes, ByteBuffer data, Completion completion) {
    if (lengthBytes == 0 && type != FrameType.FLUSH) {
      completion.complete(Outcome.OK);
      return;
    }
    attachment.submit(fill(type, offsetBytes, lengthBytes, data, completion));
  }

  private DiskRequest fill(
      FrameType type, long offsetBytes, long lengthBytes, ByteBuffer data, Completion completion) {
    DiskRequest request = attachment.obtain();
    request.type = type;
    request.offsetBytes = offsetBytes;
    request.lengthBytes = lengthBytes;
    request.data = data;
    request.position = data == null ? 0 : data.position();
    request.completion = completion;
    return request;
  }

  @Override
  public Optional<CompletableFuture<Custody>> custody() {
    CompletableFuture<Custody> custody = new CompletableFuture<>();
    link.loop().execute(() -> custody.complete(custodyNow()));
    return Optional.of(custody);
  }

  private Custody custodyNow() {
    ImmutableMap.Builder<Completion, RequestName> writes = ImmutableMap.builder();
    for (DiskRequest request : attachment.requests().leave(DiskRequest::writes)) {
      // A part of a request that was split has a completion that nobody else knows.
      writes.put(request.completion, new RequestName(request.slot, request.sequence));
    }
    return new Custody(unflushed.left(), writes.buildKeepingLast());
  }

  @Override
  public Optional<Outcome> inherited(RequestName write) {
    return Optional.ofNullable(inherited.get(write));
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
  public void becomesLeg() {
    leg = true;
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
  public CompletableFuture<Void> moved(String to) {
    return note(Optional.of(Moved.of(to)));
  }

  @Override
  public CompletableFuture<Void> arrived() {
    return note(Optional.empty());
  }

  private CompletableFuture<Void> note(Optional<Moved> to) {
    CompletableFuture<Void> noted = new CompletableFuture<>();
    try {
      link.loop()
          .execute(
              () -> {
                notes.add(to, noted);
                tellNotes();
              });
    } catch (RejectedExecutionException e) {
      noted.completeExceptionally(
          new DeviceException(link.address() + ": used after the end of the daemon", e));
    }
    return noted;
  }

  @Override
  public Optional<String> problem() {
    return attachment.problem();
  }

  @Override
  public boolean hasLostWrites() {
    return unflushed.areLost();
  }

  @Override
  public void close() {
    attachment.close();
  }

  // ---- requests

  @Override
  public void takeIn(DiskRequest request) {
    if (!isFit(request)) {
      log.error("{}: {} outside the device or not aligned (a bug)", link.address(), request.type);
      complete(request, Outcome.IO_ERROR);
    } else if (request.type == FrameType.FLUSH && unflushed.areLost()) {
      complete(request, Outcome.IO_ERROR);
    } else if (attachment.isAttached() && !isKnown(request)) {
      complete(request, Outcome.UNSUPPORTED);
    } else if (request.movesData() && request.lengthBytes > maxRequestBytes) {
      addParts(request);
      attachment.giveBack(request);
    } else {
      attachment.requests().add(request);
    }
  }

  /** Whether the server's version has such requests. Of an older one all is data. */
  private boolean isKnown(DiskRequest request) {
    return hasZero || (request.type != FrameType.ZERO && request.type != FrameType.EXTENTS);
  }

  private boolean isFit(DiskRequest request) {
    DeviceGeometry known = geometry;
    int block = known.logicalBlockBytes();
    return request.offsetBytes >= 0
        && request.offsetBytes % block == 0
        && request.lengthBytes % block == 0
        && request.lengthBytes <= known.sizeBytes() - request.offsetBytes;
  }

  /**
   * Adds requests of the largest size that the server takes instead; the worst outcome is that of
   * all.
   */
  private void addParts(DiskRequest whole) {
    int parts = (int) ((whole.lengthBytes + maxRequestBytes - 1) / maxRequestBytes);
    AtomicInteger left = new AtomicInteger(parts);
    AtomicReference<Outcome> worst = new AtomicReference<>(Outcome.OK);
    Completion completion = whole.completion;
    Completion each =
        outcome -> {
          if (outcome != Outcome.OK) {
            worst.set(outcome);
          }
          if (left.decrementAndGet() == 0) {
            completion.complete(worst.get());
          }
        };
    for (int i = 0; i < parts; i++) {
      int from = i * maxRequestBytes;
      DiskRequest part = new DiskRequest();
      part.type = whole.type;
      part.offsetBytes = whole.offsetBytes + from;
      part.lengthBytes = Math.min(maxRequestBytes, whole.lengthBytes - from);
      part.data = whole.data.slice(whole.position + from, (int) part.lengthBytes);
      part.completion = each;
      attachment.requests().add(part);
    }
  }

  @Override
  public void send(DiskRequest request, FrameWriter writer) {
    request.covers(unflushed.coveredNow());
    FrameHeader header = writer.header();
    if (request.type == FrameType.ZERO) {
      header.zero(
          request.slot,
          request.sequence,
          request.offsetBytes,
          request.lengthBytes,
          request.mayDeallocate);
    } else {
      header.request(
          request.type, request.slot, request.sequence, request.offsetBytes, request.lengthBytes);
    }
    if (request.type == FrameType.WRITE) {
      writer.add(request.data);
    } else {
      writer.add();
    }
  }

  @Override
  public ByteBuffer target(FrameHeader header) throws WireException {
    DiskRequest request = attachment.requests().get(header.slot(), header.sequence());
    if (!request.mayHave(header.payloadBytes())) {
      throw new WireException(
          "%s: expected what answers %s of %d bytes"
              .formatted(header, request.type, request.lengthBytes));
    }
    receiving = request;
    return request.answer == null ? request.data : request.data.limit(header.payloadBytes());
  }

  @Override
  public void reply(FrameHeader header) throws WireException {
    DiskRequest request = attachment.requests().get(header.slot(), header.sequence());
    Status status = header.replyStatus();
    if (request.type == FrameType.READ && status == Status.OK && receiving != request) {
      throw new WireException("%s: expected the data of a READ".formatted(header));
    }
    if (request.type == FrameType.EXTENTS && status == Status.OK) {
      request.answer.decode(header.payloadBytes(), request.offsetBytes, request.lengthBytes);
    }
    stopReceiving();
    Stages.ARRIVED.pass(header.sequence());
    attachment.requests().answered(request);
    done(request, status);
    Stages.COMPLETED.pass(header.sequence());
  }

  private void stopReceiving() {
    if (receiving != null) {
      receiving.data.position(receiving.position);
      receiving = null;
    }
  }

  /** There is nothing to send again of what was inherited. */
  @Override
  public boolean isSentAgain(DiskRequest request) {
    return !request.inherited;
  }

  /** Its fate stays unknown. */
  @Override
  public void lost(DiskRequest request) {}

  /** What it has is waited for. */
  @Override
  public void closes() {}

  @Override
  public void port(UsbPort port) throws WireException {
    throw new WireException("expected no port of a disk, found " + port);
  }

  @Override
  public void done(DiskRequest request, Status status) {
    Outcome outcome =
        switch (status) {
          case OK -> Outcome.OK;
          case IO_ERROR -> Outcome.IO_ERROR;
          case NO_SPACE -> Outcome.NO_SPACE;
          case UNSUPPORTED -> Outcome.UNSUPPORTED;
        };
    if (request.writes()) {
      unflushed.writeCompleted();
    } else if (request.type == FrameType.FLUSH) {
      if (outcome == Outcome.IO_ERROR && !unflushed.areLost()) {
        log.error(
            "{}: a flush failed, written data may be lost; all further flushes fail until the"
                + " device is opened again",
            link.address());
      }
      outcome = unflushed.flushCompleted(outcome, request.covered);
      if (unflushed.areLost()) {
        failWaitingFlushes();
      }
    }
    complete(request, outcome);
  }

  @Override
  public void fail(DiskRequest request) {
    complete(request, Outcome.IO_ERROR);
  }

  /** The request is free for the next one before its submitter, who may have one, is told. */
  private void complete(DiskRequest request, Outcome outcome) {
    Completion completion = request.completion;
    attachment.giveBack(request);
    Completion.tell(completion, outcome, link.address());
  }

  // ---- where the disk is

  private void tellNotes() {
    if (attachment.refusesRequests()) {
      notes.failAll(attachment.whyFailed());
    } else if (attachment.isAttached() && hasMoved) {
      notes.send(attachment.writer());
    } else if (attachment.isAttached()) {
      notes.isNotKnown();
    }
  }

  @Override
  public void noted(long number, Status status, String words) throws WireException {
    notes.noted(number, status, words);
    tellNotes();
  }

  @Override
  public void failed() {
    notes.failAll(attachment.whyFailed());
  }

  @Override
  public void disconnected() {
    stopReceiving();
    notes.lost();
  }

  @Override
  public Optional<String> stays() {
    return notes.left() ? Optional.of("its disk has left") : Optional.empty();
  }

  @Override
  public void generationChanges() {
    notes.generationChanges();
  }

  // ---- the connection

  @Override
  public Attach attach(Attach plain, Preamble agreed) {
    Attach wanted = leg && agreed.hasRecords() ? plain.asLeg() : plain;
    return notes.anew() && agreed.hasMoved() ? wanted.asAnew() : wanted;
  }

  @Override
  public Optional<String> changed(Attached first, Attached now) {
    AttachedDisk.Geometry known = first.disk().geometry();
    AttachedDisk.Geometry found = now.disk().geometry();
    return isStill(known, found)
        ? Optional.empty()
        : Optional.of(
            "the device has changed: expected %s, found %s; it needs to be opened again"
                .formatted(known, found));
  }

  /**
   * A device may have grown; its user goes on with the size that it knows. A server of another
   * version may make zeros or not: who asks for them can do without.
   */
  private static boolean isStill(AttachedDisk.Geometry known, AttachedDisk.Geometry now) {
    return now.sizeBytes() >= known.sizeBytes()
        && now.withSize(known.sizeBytes()).withZero(known.canZero()).equals(known);
  }

  @Override
  public void attached(Attached attached, Preamble agreed) {
    AttachedDisk disk = attached.disk();
    if (geometry == null) {
      geometry = geometryOf(disk.geometry());
    }
    if (unflushed.attached(disk)) {
      log.error(
          "{}: the server's host was restarted, writes that were not flushed may be lost; all"
              + " further flushes fail until the device is opened again",
          link.address());
    }
    hasZero = agreed.hasZero();
    hasMoved = agreed.hasMoved();
    maxRequestBytes = Math.min(agreed.maxPayloadBytes(), attached.window().bytes());
    attachment.requests().attached(attached, this);
    attachment
        .requests()
        .removeWaiting(request -> !isKnown(request))
        .forEach(request -> complete(request, Outcome.UNSUPPORTED));
    if (unflushed.areLost()) {
      failWaitingFlushes();
    } else if (!readOnly && !disk.lastStorage().equals(disk.storage())) {
      confirm();
    }
  }

  @Override
  public void ready() {
    tellNotes();
  }

  /**
   * A flush that reaches the server says that this client has seen the storage and lost nothing. So
   * who has lost something sends none, and who is asked in its name later on is told of the loss.
   */
  private void confirm() {
    if (!confirming) {
      confirming = true;
      attachment.requests().add(fill(FrameType.FLUSH, 0, 0, null, outcome -> confirming = false));
    }
  }

  private void failWaitingFlushes() {
    attachment
        .requests()
        .removeWaiting(request -> request.type == FrameType.FLUSH)
        .forEach(this::fail);
  }

  static DeviceGeometry geometryOf(AttachedDisk.Geometry found) {
    return new DeviceGeometry(
        found.sizeBytes(),
        found.logicalBlockBytes(),
        found.physicalBlockBytes(),
        found.readOnly(),
        found.canFlush(),
        found.canDiscard(),
        found.discardGranularityBytes(),
        found.canZero());
  }
}
