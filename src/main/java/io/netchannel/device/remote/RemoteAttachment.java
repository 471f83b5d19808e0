package io.netchannel.device.remote;

import io.netchannel.device.DeviceException;
import io.netchannel.time.Backoff;
import io.netchannel.tls.TlsProblem;
import io.netchannel.wire.Attach;
import io.netchannel.wire.Attached;
import io.netchannel.wire.FrameHeader;
import io.netchannel.wire.FrameType;
import io.netchannel.wire.FrameWriter;
import io.netchannel.wire.Preamble;
import io.netchannel.wire.Refusal;
import io.netchannel.wire.Stages;
import io.netchannel.wire.Status;
import io.netchannel.wire.UsbPort;
import io.netchannel.wire.WireException;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What devices of all kinds have of their server: the connection and the next one after it, the
 * generation, what is outstanding. See the package for its states and invariants. Everything but
 * the inbox belongs to the event loop. {@link #close} must not be called from a completion.
 *
 * @param <R> the requests of a kind of devices
 */
final class RemoteAttachment<R extends RemoteRequest> implements RemoteConnection.Owner {
  private static final Logger log = LoggerFactory.getLogger(RemoteAttachment.class);

  /**
   * What is replaced twice within this time has a rival with its own name and generation. Once is
   * nothing: a connection that was given up may have reached the server late, after the one that
   * came instead of it. TCP delivers what it has for less than that after a cut.
   */
  private static final long RIVAL_NANOS = TimeUnit.MINUTES.toNanos(1);

  /** A server that is there says goodbye at once. */
  private static final long DETACH_SECONDS = 5;

  /**
   * What is only one kind's of devices; on the event loop.
   *
   * @param <R> its requests
   */
  interface Kind<R extends RemoteRequest> {
    /** The ATTACH as it has to be. */
    Attach attach(Attach plain, Preamble agreed) throws WireException;

    /** Why what the server has now is not the device that it was opened as; empty when it is. */
    Optional<String> changed(Attached first, Attached now);

    /**
     * It is attached: settles what was outstanding ({@link RequestQueue#attached}). What waits is
     * sent afterwards.
     */
    void attached(Attached attached, Preamble agreed);

    /** What was outstanding is settled, and what waited is sent as far as it may be. */
    void ready();

    /** A request comes in: into the queue, or to its end. */
    void takeIn(R request);

    /** Puts a request into the connection's frames. */
    void send(R request, FrameWriter writer);

    /** Where the payload of a reply goes. */
    ByteBuffer target(FrameHeader header) throws WireException;

    /** A reply has come. */
    void reply(FrameHeader header) throws WireException;

    /** The answer to a MOVED or ARRIVED. */
    void noted(long number, Status status, String words) throws WireException;

    /** What is at a USB device's port. */
    void port(UsbPort port) throws WireException;

    /** A request ends without an answer. */
    void fail(R request);

    /** All requests have, and what else it has to tell has to end as well. */
    void failed();

    /** Nothing more comes from the connection. */
    void disconnected();

    /** It is being closed, and gives its place free when nothing is outstanding any more. */
    void closes();

    /** Why it does not go on with a newer generation; empty when it does. */
    Optional<String> stays();

    /** It goes on with a newer one. */
    void generationChanges();
  }

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
  private final Kind<R> kind;
  private final Backoff backoff;
  private final Inbox<R> inbox;
  private final Runnable takeIn = this::takeIn;
  private final CompletableFuture<Attached> opened = new CompletableFuture<>();
  private final CompletableFuture<Void> closed = new CompletableFuture<>();
  private final RequestQueue<R> requests;

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
  private ArrayDeque<R> spare = new ArrayDeque<>();

  /** Whether what waits is not sent. */
  private boolean heldBack;

  /** Set while it is ATTACHED: what is outstanding is not waited for once it is not. */
  private boolean relinquished;

  /**
   * One that does not connect yet.
   *
   * @param maker of requests
   */
  RemoteAttachment(
      RemoteLink link,
      String client,
      long generation,
      boolean readOnly,
      Kind<R> kind,
      Supplier<R> maker) {
    this.link = link;
    this.client = client;
    this.generation = generation;
    this.readOnly = readOnly;
    this.kind = kind;
    this.inbox = new Inbox<>(maker);
    this.requests = new RequestQueue<>(generation);
    this.backoff =
        Backoff.scattered(
            link.options().firstDelay(), link.options().longestDelay(), link.random());
  }

  // ---- on any thread

  /**
   * Connects, and waits until the server has answered.
   *
   * @param takesOver from a generation before: one that fails keeps the place, as whoever tries
   *     again asks for the same requests, and what became of them is lost with the place
   */
  Attached open(boolean takesOver) throws DeviceException {
    link.loop().execute(this::connect);
    try {
      return opened.get(link.options().open().toMillis(), TimeUnit.MILLISECONDS);
    } catch (ExecutionException e) {
      giveUp(takesOver);
      throw new DeviceException(e.getCause().getMessage(), e.getCause());
    } catch (TimeoutException e) {
      giveUp(takesOver);
      throw new DeviceException(
          "%s: expected an answer within %d s, found: %s"
              .formatted(
                  link.address(), link.options().open().toSeconds(), RemoteLink.words(lastProblem)),
          e);
    } catch (InterruptedException e) {
      giveUp(takesOver);
      Thread.currentThread().interrupt();
      throw new DeviceException(link.address() + ": interrupted while it was opened", e);
    }
  }

  private void giveUp(boolean takesOver) {
    if (takesOver) {
      keepPlace();
    }
    close();
  }

  /** An unused request, to be filled. */
  R obtain() {
    return inbox.obtain();
  }

  /** One that has ended. */
  void giveBack(R request) {
    inbox.giveBack(request);
  }

  void submit(R request) {
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
    for (R request : inbox.take(new ArrayDeque<>())) {
      kind.fail(request);
    }
  }

  void relinquish() {
    link.loop().execute(this::letGo);
  }

  void useGeneration(long newer) {
    link.loop().execute(() -> adopt(newer));
  }

  void keepPlace() {
    keepsPlace = true;
  }

  boolean isGivenFree() {
    return givenFree;
  }

  Optional<String> problem() {
    return Optional.of(away).filter(words -> !words.isEmpty());
  }

  void close() {
    try {
      link.loop().execute(this::startClose);
      closed.join();
    } catch (RejectedExecutionException e) {
      log.debug("{}: closed after the event loops", link.address());
    }
  }

  // ---- requests, from here on on the event loop

  RequestQueue<R> requests() {
    return requests;
  }

  boolean isAttached() {
    return state == State.ATTACHED;
  }

  /** Of the connection, while it is attached. */
  FrameWriter writer() {
    return connection.orElseThrow().writer();
  }

  /** Whether what comes in fails at once. */
  boolean refusesRequests() {
    return state == State.BROKEN || state == State.CLOSED || closing || gaveUp;
  }

  /** Why requests fail, for people. */
  String whyFailed() {
    return away.isEmpty() ? "the device is closed" : away;
  }

  private void takeIn() {
    ArrayDeque<R> arrived = inbox.take(spare);
    for (R request = arrived.poll(); request != null; request = arrived.poll()) {
      if (refusesRequests()) {
        kind.fail(request);
      } else {
        kind.takeIn(request);
      }
    }
    spare = arrived;
    send();
  }

  /**
   * Nothing is sent any more, until a newer generation is used: what the server does not have yet
   * is its owner's to give to another one.
   */
  void holdBack() {
    heldBack = true;
  }

  /** Sends what fits into the window. */
  private void send() {
    if (state != State.ATTACHED || heldBack) {
      return;
    }
    FrameWriter writer = writer();
    boolean any = false;
    for (R request = requests.next(); request != null; request = requests.next()) {
      kind.send(request, writer);
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

  @Override
  public ByteBuffer target(FrameHeader header) throws WireException {
    return kind.target(header);
  }

  @Override
  public void reply(FrameHeader header) throws WireException {
    kind.reply(header);
  }

  @Override
  public void port(UsbPort port) throws WireException {
    kind.port(port);
  }

  @Override
  public void noted(long number, Status status, String words) throws WireException {
    kind.noted(number, status, words);
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
  public Attach attach(Preamble agreed) throws WireException {
    lastProblem =
        new TimeoutException(
            "the server is there, but its device has not finished what it was given before, or is"
                + " being opened");
    return kind.attach(
        Attach.session(link.address().export(), client, generation, readOnly, requests.list()),
        agreed);
  }

  @Override
  public void attached(Attached attached, Preamble agreed) throws WireException {
    requests.check(attached);
    Optional<String> changed = first.flatMap(before -> kind.changed(before, attached));
    if (changed.isPresent()) {
      breakDown(changed.get());
      return;
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
    kind.attached(attached, agreed);
    if (first.isEmpty()) {
      first = Optional.of(attached);
      openedWhenKnown();
    }
    send();
    kind.ready();
    detachWhenDone();
  }

  /** It is open when the fates of all that it inherited are known. */
  private void openedWhenKnown() {
    if (!opened.isDone() && first.isPresent() && !requests.hasInherited()) {
      requests.forgetInherited();
      opened.complete(first.get());
    }
  }

  @Override
  public void lost(Throwable cause) {
    kind.disconnected();
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
    kind.disconnected();
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
    kind.disconnected();
    connection.ifPresent(RemoteConnection::abandon);
    connection = Optional.empty();
    attempt.ifPresent(planned -> planned.cancel(false));
    attempt = Optional.empty();
  }

  private void failAll() {
    requests.removeAll().forEach(kind::fail);
    kind.failed();
  }

  private void adopt(long newer) {
    if (newer <= generation || state == State.CLOSED || closing) {
      return;
    }
    Optional<String> stays = kind.stays();
    if (stays.isPresent()) {
      log.info("{}: {}, stays with generation {}", link.address(), stays.get(), generation);
      return;
    }
    log.info("{}: goes on with generation {}, was {}", link.address(), newer, generation);
    generation = newer;
    heldBack = false;
    requests.use(newer);
    kind.generationChanges();
    disconnect();
    become(State.WAITING);
    backoff.reset();
    awaySinceNanos = System.nanoTime();
    connect();
  }

  private void letGo() {
    relinquished = true;
    if (state == State.WAITING || state == State.CONNECTING) {
      breakDown("what is outstanding is the next generation's");
    }
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
          kind.closes();
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
    FrameWriter writer = writer();
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
