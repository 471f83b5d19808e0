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
import io.netchannel.time.Backoff;
import io.netchannel.tls.TlsProblem;
import io.netchannel.wire.Attach;
import io.netchannel.wire.Attached;
import io.netchannel.wire.FrameHeader;
import io.netchannel.wire.FrameType;
import io.netchannel.wire.FrameWriter;
import io.netchannel.wire.Moved;
import io.netchannel.wire.Preamble;
import io.netchannel.wire.Refusal;
import io.netchannel.wire.Stages;
import io.netchannel.wire.Status;
import io.netchannel.wire.WireException;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A device that another host exports. See the package for its states and invariants. Everything but
 * the inbox belongs to the event loop. {@link #close} must not be called from a completion.
 */
final class RemoteDevice implements Device, RemoteConnection.Owner {
  private static final Logger log = LoggerFactory.getLogger(RemoteDevice.class);

  /**
   * What is replaced twice within this time has a rival with its own name and generation. Once is
   * nothing: a connection that was given up may have reached the server late, after the one that
   * came instead of it. TCP delivers what it has for less than that after a cut.
   */
  private static final long RIVAL_NANOS = TimeUnit.MINUTES.toNanos(1);

  /** A server that is there says goodbye at once. */
  private static final long DETACH_SECONDS = 5;

  enum State {
    /** Until the next attempt. */
    WAITING,
    CONNECTING,
    ATTACHED,
    DETACHING,
    BROKEN,
    CLOSED
  }

  private final RemoteLink link;
  private final String client;
  private final boolean readOnly;

  /** Whether it is one of two. */
  private volatile boolean leg;

  private final Backoff backoff;
  private final Inbox inbox = new Inbox();
  private final Runnable takeIn = this::takeIn;
  private final CompletableFuture<DeviceGeometry> opened = new CompletableFuture<>();
  private final CompletableFuture<Void> closed = new CompletableFuture<>();

  private volatile boolean keepsPlace;
  private volatile boolean givenFree;
  private State state = State.WAITING;
  private long generation;
  private Optional<RemoteConnection> connection = Optional.empty();
  private Optional<ScheduledFuture<?>> attempt = Optional.empty();
  private Optional<Attached> first = Optional.empty();
  private boolean closing;
  private boolean gaveUp;
  private long awaySinceNanos = System.nanoTime();
  private volatile Throwable lastProblem = new TimeoutException("no answer");

  /** Why it is not attached; empty while it is. */
  private volatile String away = "";

  private Optional<Long> replacedNanos = Optional.empty();

  private final RequestQueue requests;
  private final UnflushedWrites unflushed = new UnflushedWrites();

  /** Whether a flush is on its way that tells the server: seen, and nothing lost. */
  private boolean confirming;

  /** Whether the server has ZERO and EXTENTS, since it is ATTACHED. */
  private boolean hasZero;

  private final PlaceNotes notes;

  /** Whether the server can be told of them, since it is ATTACHED. */
  private boolean hasMoved;

  private ArrayDeque<RemoteRequest> spare = new ArrayDeque<>();
  private RemoteRequest receiving;

  /** Set while it is ATTACHED: what is outstanding is not waited for once it is not. */
  private boolean relinquished;

  /** Fates of the writes it was opened with; complete when it is opened. */
  private final Map<RequestName, Outcome> inherited = new ConcurrentHashMap<>();

  private RemoteDevice(RemoteLink link, OpenOptions.User user, OpenOptions options) {
    this.link = link;
    this.leg = options.leg();
    this.notes = new PlaceNotes(link.address().toString(), options.anew());
    this.client = user.name();
    this.generation = user.generation();
    this.requests = new RequestQueue(generation);
    this.readOnly = options.readOnly();
    user.inheritance().ifPresent(this::inherit);
    this.backoff =
        Backoff.scattered(
            link.options().firstDelay(), link.options().longestDelay(), link.random());
  }

  private void inherit(Inheritance left) {
    if (!readOnly) {
      unflushed.inherit(left.storage());
    }
    List<RemoteRequest> writes = new ArrayList<>();
    for (RequestName name : left.writes()) {
      RemoteRequest write = new RemoteRequest();
      write.type = FrameType.WRITE;
      write.slot = name.slot();
      write.sequence = name.sequence();
      write.inherited = true;
      write.completion = outcome -> inherited.put(name, outcome);
      writes.add(write);
    }
    requests.inherit(writes);
  }

  /** Waits until the server has answered. */
  static RemoteDevice open(RemoteLink link, OpenOptions.User user, OpenOptions options)
      throws DeviceException {
    RemoteDevice device = new RemoteDevice(link, user, options);
    link.loop().execute(device::connect);
    try {
      DeviceGeometry geometry =
          device.opened.get(link.options().open().toMillis(), TimeUnit.MILLISECONDS);
      log.info(
          "{}: attached as {}, generation {}, {} bytes",
          link.address(),
          user.name(),
          user.generation(),
          geometry.sizeBytes());
      if (user.inheritance().filter(left -> left.storage().isEmpty()).isPresent()) {
        // What is durable long ago must not count as lost with the server's memory later on.
        device.flush(outcome -> {});
      }
      return device;
    } catch (ExecutionException e) {
      device.giveUp(user);
      throw new DeviceException(e.getCause().getMessage(), e.getCause());
    } catch (TimeoutException e) {
      device.giveUp(user);
      throw new DeviceException(
          "%s: expected an answer within %d s, found: %s"
              .formatted(
                  link.address(),
                  link.options().open().toSeconds(),
                  RemoteLink.words(device.lastProblem)),
          e);
    } catch (InterruptedException e) {
      device.giveUp(user);
      Thread.currentThread().interrupt();
      throw new DeviceException(link.address() + ": interrupted while it was opened", e);
    }
  }

  /**
   * Not opened. Where it was to take over, whoever tries again asks for the same writes, and what
   * became of them is lost with the place.
   */
  private void giveUp(OpenOptions.User user) {
    if (user.inheritance().isPresent()) {
      keepPlace();
    }
    close();
  }

  // ---- Device, on any thread

  @Override
  public DeviceGeometry geometry() {
    return opened.join();
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
      RemoteRequest request = fill(FrameType.ZERO, offsetBytes, lengthBytes, null, completion);
      request.mayDeallocate = mayDeallocate;
      submit(request);
    }
  }

  @Override
  public CompletableFuture<Extents> extents(long offsetBytes, long lengthBytes) {
    if (lengthBytes == 0) {
      return CompletableFuture.completedFuture(Extents.ALL_DATA);
    }
    ZerosAnswer answer = new ZerosAnswer();
    RemoteRequest request =
        fill(FrameType.EXTENTS, offsetBytes, lengthBytes, answer.bytes(), answer);
    request.answer = answer;
    submit(request);
    return answer.told();
  }

  private void submit(
      FrameType type, long offsetBytes, long lengthBytes, ByteBuffer data, Completion completion) {
    if (lengthBytes == 0 && type != FrameType.FLUSH) {
      completion.complete(Outcome.OK);
      return;
    }
    submit(fill(type, offsetBytes, lengthBytes, data, completion));
  }

  private RemoteRequest fill(
      FrameType type, long offsetBytes, long lengthBytes, ByteBuffer data, Completion completion) {
    RemoteRequest request = inbox.obtain();
    request.type = type;
    request.offsetBytes = offsetBytes;
    request.lengthBytes = lengthBytes;
    request.data = data;
    request.position = data == null ? 0 : data.position();
    request.completion = completion;
    return request;
  }

  private void submit(RemoteRequest request) {
    if (Stages.ON) {
      request.enqueuedNanos = System.nanoTime();
    }
    if (inbox.add(request)) {
      try {
        link.loop().execute(takeIn);
      } catch (RejectedExecutionException e) {
        failArrived();
      }
    }
  }

  /** The event loops have ended, which is after the end of all devices: a bug of who made them. */
  private void failArrived() {
    log.error("{}: used after the end of the daemon", link.address());
    for (RemoteRequest request : inbox.take(new ArrayDeque<>())) {
      request.completion.complete(Outcome.IO_ERROR);
    }
  }

  @Override
  public Optional<CompletableFuture<Custody>> custody() {
    CompletableFuture<Custody> custody = new CompletableFuture<>();
    link.loop().execute(() -> custody.complete(custodyNow()));
    return Optional.of(custody);
  }

  private Custody custodyNow() {
    ImmutableMap.Builder<Completion, RequestName> writes = ImmutableMap.builder();
    for (RemoteRequest request : requests.leave()) {
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
    link.loop().execute(this::letGo);
  }

  private void letGo() {
    relinquished = true;
    if (state == State.WAITING || state == State.CONNECTING) {
      breakDown("what is outstanding is the next generation's");
    }
  }

  @Override
  public void useGeneration(long newer) {
    link.loop().execute(() -> adopt(newer));
  }

  @Override
  public void becomesLeg() {
    leg = true;
  }

  @Override
  public void keepPlace() {
    keepsPlace = true;
  }

  @Override
  public boolean isGivenFree() {
    return givenFree;
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
    return Optional.of(away).filter(words -> !words.isEmpty());
  }

  @Override
  public boolean hasLostWrites() {
    return unflushed.areLost();
  }

  @Override
  public void close() {
    try {
      link.loop().execute(this::startClose);
      closed.join();
    } catch (RejectedExecutionException e) {
      log.debug("{}: closed after the event loops", link.address());
    }
  }

  // ---- requests

  private void takeIn() {
    ArrayDeque<RemoteRequest> arrived = inbox.take(spare);
    for (RemoteRequest request = arrived.poll(); request != null; request = arrived.poll()) {
      if (refusesRequests()) {
        complete(request, Outcome.IO_ERROR);
      } else if (!isFit(request)) {
        log.error("{}: {} outside the device or not aligned (a bug)", link.address(), request.type);
        complete(request, Outcome.IO_ERROR);
      } else if (request.type == FrameType.FLUSH && unflushed.areLost()) {
        complete(request, Outcome.IO_ERROR);
      } else if (state == State.ATTACHED && !isKnown(request.type)) {
        complete(request, Outcome.UNSUPPORTED);
      } else if (requests.isTooLarge(request)) {
        requests.addParts(request);
        inbox.giveBack(request);
      } else {
        requests.add(request);
      }
    }
    spare = arrived;
    send();
  }

  private boolean refusesRequests() {
    return state == State.BROKEN || state == State.CLOSED || closing || gaveUp;
  }

  /** Whether the server's version has such requests. Of an older one all is data. */
  private boolean isKnown(FrameType type) {
    return hasZero || (type != FrameType.ZERO && type != FrameType.EXTENTS);
  }

  private boolean isFit(RemoteRequest request) {
    DeviceGeometry geometry = opened.join();
    int block = geometry.logicalBlockBytes();
    return request.offsetBytes >= 0
        && request.offsetBytes % block == 0
        && request.lengthBytes % block == 0
        && request.lengthBytes <= geometry.sizeBytes() - request.offsetBytes;
  }

  /** Sends what fits into the window. */
  private void send() {
    if (state != State.ATTACHED) {
      return;
    }
    FrameWriter writer = connection.orElseThrow().writer();
    boolean any = false;
    long covered = unflushed.coveredNow();
    for (RemoteRequest request = requests.next(covered);
        request != null;
        request = requests.next(covered)) {
      encode(request, writer.header());
      if (request.type == FrameType.WRITE) {
        writer.add(request.data);
      } else {
        writer.add();
      }
      if (Stages.ON) {
        Stages.ENQUEUED.pass(request.sequence, request.enqueuedNanos);
        Stages.ENCODED.pass(request.sequence);
      }
      any = true;
    }
    if (any) {
      writer.flush();
    }
  }

  private static void encode(RemoteRequest request, FrameHeader header) {
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
  }

  @Override
  public ByteBuffer target(FrameHeader header) throws WireException {
    RemoteRequest request = requests.get(header.slot(), header.sequence());
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
    RemoteRequest request = requests.get(header.slot(), header.sequence());
    Status status = header.replyStatus();
    if (request.type == FrameType.READ && status == Status.OK && receiving != request) {
      throw new WireException("%s: expected the data of a READ".formatted(header));
    }
    if (request.type == FrameType.EXTENTS && status == Status.OK) {
      request.answer.decode(header.payloadBytes(), request.offsetBytes, request.lengthBytes);
    }
    stopReceiving();
    Stages.ARRIVED.pass(header.sequence());
    requests.answered(request);
    finish(request, status);
    Stages.COMPLETED.pass(header.sequence());
  }

  // ---- where the disk is

  private void tellNotes() {
    if (refusesRequests()) {
      notes.failAll(away.isEmpty() ? "the device is closed" : away);
    } else if (state == State.ATTACHED && hasMoved) {
      notes.send(connection.orElseThrow().writer());
    } else if (state == State.ATTACHED) {
      notes.isNotKnown();
    }
  }

  @Override
  public void noted(long number, Status status, String words) throws WireException {
    notes.noted(number, status, words);
    tellNotes();
  }

  private void stopReceiving() {
    if (receiving != null) {
      receiving.data.position(receiving.position);
      receiving = null;
    }
  }

  private void finish(RemoteRequest request, Status status) {
    Outcome outcome =
        switch (status) {
          case OK -> Outcome.OK;
          case IO_ERROR -> Outcome.IO_ERROR;
          case NO_SPACE -> Outcome.NO_SPACE;
          case UNSUPPORTED -> Outcome.UNSUPPORTED;
        };
    switch (request.type) {
      case WRITE, ZERO -> unflushed.writeCompleted();
      case FLUSH -> {
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
      case READ,
          DISCARD,
          EXTENTS,
          ATTACH,
          ATTACHED,
          REFUSED,
          REPLY,
          DETACH,
          DETACHED,
          PING,
          PONG,
          MOVED,
          ARRIVED,
          NOTED,
          RECORD,
          RECORDED -> {}
    }
    complete(request, outcome);
  }

  /** The request is free for the next one before its submitter, who may have one, is told. */
  private void complete(RemoteRequest request, Outcome outcome) {
    Completion completion = request.completion;
    inbox.giveBack(request);
    Completion.tell(completion, outcome, link.address());
  }

  @Override
  public void readComplete() {
    openedWhenKnown();
    send();
    detachWhenDone();
  }

  // ---- the connection

  private void connect() {
    attempt = Optional.empty();
    if (state != State.WAITING) {
      return;
    }
    become(State.CONNECTING);
    connection = Optional.of(link.connect(this));
  }

  @Override
  public Attach attach(Preamble agreed) {
    lastProblem =
        new TimeoutException(
            "the server is there, but its device has not finished what it was given before, or is"
                + " being opened");
    Attach attach =
        Attach.session(link.address().export(), client, generation, readOnly, requests.list());
    Attach wanted = leg && agreed.hasRecords() ? attach.asLeg() : attach;
    return notes.anew() && agreed.hasMoved() ? wanted.asAnew() : wanted;
  }

  @Override
  public void attached(Attached attached, Preamble agreed) throws WireException {
    requests.check(attached);
    if (first.isPresent() && !isStill(first.get().geometry(), attached.geometry())) {
      breakDown(
          "the device has changed: expected %s, found %s; it needs to be opened again"
              .formatted(first.get().geometry(), attached.geometry()));
      return;
    }
    if (unflushed.attached(attached)) {
      log.error(
          "{}: the server's host was restarted, writes that were not flushed may be lost; all"
              + " further flushes fail until the device is opened again",
          link.address());
    }
    become(State.ATTACHED);
    backoff.reset();
    away = "";
    gaveUp = false;
    if (first.isPresent()) {
      log.info(
          "{}: attached again after {} ms, {} requests were unanswered",
          link.address(),
          TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - awaySinceNanos),
          requests.outstanding());
    }
    hasZero = agreed.hasZero();
    hasMoved = agreed.hasMoved();
    requests.attached(attached, agreed.maxPayloadBytes(), this::finish);
    requests
        .removeWaiting(type -> !isKnown(type))
        .forEach(request -> complete(request, Outcome.UNSUPPORTED));
    if (unflushed.areLost()) {
      failWaitingFlushes();
    } else if (!readOnly && !attached.lastStorage().equals(attached.storage())) {
      confirm();
    }
    if (first.isEmpty()) {
      first = Optional.of(attached);
      openedWhenKnown();
    }
    send();
    tellNotes();
    detachWhenDone();
  }

  /**
   * A flush that reaches the server says that this client has seen the storage and lost nothing. So
   * who has lost something sends none, and who is asked in its name later on is told of the loss.
   */
  private void confirm() {
    if (!confirming) {
      confirming = true;
      RemoteRequest flush = inbox.obtain();
      flush.type = FrameType.FLUSH;
      flush.offsetBytes = 0;
      flush.lengthBytes = 0;
      flush.completion = outcome -> confirming = false;
      requests.add(flush);
    }
  }

  private void failWaitingFlushes() {
    requests
        .removeWaiting(type -> type == FrameType.FLUSH)
        .forEach(flush -> complete(flush, Outcome.IO_ERROR));
  }

  /** It is open when the fates of all that it inherited are known. */
  private void openedWhenKnown() {
    if (!opened.isDone() && first.isPresent() && !requests.hasInherited()) {
      requests.forgetInherited();
      opened.complete(geometryOf(first.get().geometry()));
    }
  }

  /**
   * A device may have grown; its user goes on with the size that it knows. A server of another
   * version may make zeros or not: who asks for them can do without.
   */
  private static boolean isStill(Attached.Geometry known, Attached.Geometry now) {
    return now.sizeBytes() >= known.sizeBytes()
        && now.withSize(known.sizeBytes()).withZero(known.canZero()).equals(known);
  }

  static DeviceGeometry geometryOf(Attached.Geometry found) {
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

  @Override
  public void lost(Throwable cause) {
    stopReceiving();
    notes.lost();
    connection = Optional.empty();
    lastProblem = cause;
    switch (state) {
      case CLOSED, BROKEN, WAITING -> {}
      case DETACHING -> ended();
      case ATTACHED, CONNECTING -> {
        if (state == State.ATTACHED) {
          awaySinceNanos = System.nanoTime();
        }
        become(State.WAITING);
        if (closing) {
          ended();
        } else if (relinquished) {
          letGo();
        } else if (!opened.isDone() && isHopeless(cause)) {
          failOpening(new DeviceException(link.problem(cause)));
        } else {
          tellOnce(RemoteLink.words(cause));
          tryLater();
        }
      }
    }
  }

  /** What another attempt does not make better within the time that opening has. */
  private static boolean isHopeless(Throwable cause) {
    return cause instanceof WireException || TlsProblem.words(cause).isPresent();
  }

  @Override
  public void refused(Refusal reason, String text) {
    stopReceiving();
    notes.lost();
    connection = Optional.empty();
    DeviceException refusal = link.refusal(reason, text);
    lastProblem = refusal;
    String why = refusal.getMessage();
    if (state == State.DETACHING || closing) {
      ended();
    } else if (!opened.isDone()) {
      failOpening(refusal);
    } else {
      if (state == State.ATTACHED) {
        awaySinceNanos = System.nanoTime();
      }
      switch (reason) {
        case STALE -> breakDown(why);
        case REPLACED -> {
          boolean rival = wasReplacedJustNow();
          replacedNanos = Optional.of(System.nanoTime());
          if (rival) {
            breakDown(why);
          } else {
            waitAfter(why);
          }
        }
        case UNKNOWN_EXPORT, DENIED, READ_ONLY, IN_USE, UNAVAILABLE, PROTOCOL -> waitAfter(why);
      }
    }
  }

  private boolean wasReplacedJustNow() {
    return replacedNanos.isPresent() && System.nanoTime() - replacedNanos.get() < RIVAL_NANOS;
  }

  private void waitAfter(String refusal) {
    become(State.WAITING);
    tellOnce(refusal);
    tryLater();
  }

  private void tellOnce(String problem) {
    if (!problem.equals(away)) {
      away = problem;
      log.warn("{}: {} requests wait for it: {}", link.address(), requests.size(), problem);
    }
  }

  private void tryLater() {
    long awayNanos = System.nanoTime() - awaySinceNanos;
    if (link.options().giveUp().isPresent()
        && !gaveUp
        && awayNanos >= link.options().giveUp().get().toNanos()) {
      gaveUp = true;
      log.error(
          "{}: away for {} s, requests fail until it is back",
          link.address(),
          TimeUnit.NANOSECONDS.toSeconds(awayNanos));
      failAll();
    }
    attempt =
        Optional.of(
            link.loop().schedule(this::connect, backoff.next().toNanos(), TimeUnit.NANOSECONDS));
  }

  private void failOpening(DeviceException why) {
    become(State.BROKEN);
    opened.completeExceptionally(why);
  }

  /**
   * For good, or until a newer generation is used. At the source of a migration that is as it
   * should be: it has sealed, and has nothing outstanding.
   */
  private void breakDown(String why) {
    away = why;
    log.warn("{}: {}; {} requests end", link.address(), why, requests.size());
    disconnect();
    become(State.BROKEN);
    failAll();
  }

  private void disconnect() {
    stopReceiving();
    notes.lost();
    connection.ifPresent(RemoteConnection::abandon);
    connection = Optional.empty();
    attempt.ifPresent(planned -> planned.cancel(false));
    attempt = Optional.empty();
  }

  private void failAll() {
    requests.removeAll().forEach(request -> complete(request, Outcome.IO_ERROR));
    notes.failAll(away.isEmpty() ? "the device is closed" : away);
  }

  private void adopt(long newer) {
    if (newer <= generation || state == State.CLOSED || closing) {
      return;
    }
    if (notes.left()) {
      log.info("{}: its disk has left, stays with generation {}", link.address(), generation);
      return;
    }
    log.info("{}: goes on with generation {}, was {}", link.address(), newer, generation);
    generation = newer;
    requests.use(newer);
    notes.generationChanges();
    disconnect();
    become(State.WAITING);
    backoff.reset();
    awaySinceNanos = System.nanoTime();
    connect();
  }

  // ---- the end

  private void startClose() {
    if (closing || state == State.CLOSED) {
      return;
    }
    closing = true;
    switch (state) {
      case ATTACHED -> {
        if (keepsPlace) {
          ended();
        } else {
          detachWhenDone();
        }
      }
      case WAITING, CONNECTING, BROKEN -> ended();
      case DETACHING, CLOSED -> {}
    }
  }

  private void detachWhenDone() {
    if (!closing || state != State.ATTACHED || requests.size() > 0) {
      return;
    }
    become(State.DETACHING);
    FrameWriter writer = connection.orElseThrow().writer();
    writer.header().control(FrameType.DETACH, 0);
    writer.add();
    writer.flush();
    attempt = Optional.of(link.loop().schedule(this::ended, DETACH_SECONDS, TimeUnit.SECONDS));
  }

  @Override
  public void detached() throws WireException {
    if (state != State.DETACHING) {
      throw new WireException("expected no DETACHED without DETACH, found one");
    }
    givenFree = true;
    ended();
  }

  private void ended() {
    disconnect();
    become(State.CLOSED);
    failAll();
    takeIn();
    closed.complete(null);
  }

  private void become(State next) {
    if (state != next) {
      log.debug("{}: {} -> {}", link.address(), state, next);
      state = next;
    }
  }
}
