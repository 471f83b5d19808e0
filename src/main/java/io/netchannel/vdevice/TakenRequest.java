package io.netchannel.vdevice;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A request taken off a ring, with private copies of everything. Belongs to its ring's pool and is
 * used again; a kind of device adds what it asks for.
 *
 * <p>What all kinds encode first (little endian):
 *
 * <pre>
 *    0  index of the response (32); 1 when there is one, and 2 when it is inherited (32)
 *    8  format (16 bits), the kind's own (16), queue (32)
 *   16  id
 * </pre>
 */
public abstract class TakenRequest implements VirtualRequest {
  /** Bytes of the head; what a kind adds follows. */
  protected static final int HEAD_BYTES = 24;

  private static final long ANSWERED = 1L << 32;
  private static final long INHERITED = 2L << 32;
  private static final int FORMAT = 8;
  private static final int OWN = 10;
  private static final int QUEUE = 12;
  private static final int ID = 16;

  private final RequestRing<?> ring;

  /** Among the requests of its ring. */
  private final int place;

  private long id;
  private boolean inherited;
  private boolean answered;
  private int responseIndex;
  private boolean released = true;

  /** One more of {@code ring}, which gives it its {@code place} ({@link RequestFormat}). */
  protected TakenRequest(RequestRing<?> ring, int place) {
    this.ring = ring;
    this.place = place;
  }

  /** Starts a new use. */
  protected final void begin(long newId) {
    id = newId;
    inherited = false;
    answered = false;
    released = false;
  }

  /** It was never on its ring ({@link InheritedRequests}). */
  public final void setInherited(boolean yes) {
    inherited = yes;
  }

  public final boolean isInherited() {
    return inherited;
  }

  @Override
  public final int queue() {
    return ring.queue();
  }

  @Override
  public final long id() {
    return id;
  }

  /** Whether the connection it came by is still there: else nothing of the guest is touched. */
  protected final boolean isConnected() {
    return ring.isConnected();
  }

  /** Whether it is taken, and neither answered nor given back. */
  protected final boolean isOutstanding() {
    return !answered && !released;
  }

  /**
   * Answers it: {@link #writeResponse} is called unless the connection has ended.
   *
   * @return the index of the response in its ring
   */
  protected final int answer() {
    checkUnanswered();
    answered = true;
    responseIndex = ring.respond(this);
    return responseIndex;
  }

  /** Writes the response into {@code memory}, from {@code slot} on. */
  protected abstract void writeResponse(ByteBuffer memory, int slot);

  @Override
  public final boolean seen() {
    checkHeld();
    return answered && ring.seen(responseIndex);
  }

  @Override
  public final void release() {
    checkHeld();
    released = true;
    ring.release(place);
  }

  protected final void checkUnanswered() {
    checkHeld();
    if (answered) {
      throw new IllegalStateException(this + " is answered a second time");
    }
  }

  protected final void checkHeld() {
    if (released) {
      throw new IllegalStateException(this + " is used after its release");
    }
  }

  /**
   * Writes the head from the position of {@code target} on.
   *
   * @param target little endian
   * @param format of what follows
   * @param own 16 bits that mean something to the kind
   */
  protected final void encodeHead(ByteBuffer target, int format, int own) {
    target.putLong(
        (answered ? ANSWERED | Integer.toUnsignedLong(responseIndex) : 0)
            | (inherited ? INHERITED : 0));
    target.putShort((short) format);
    target.putShort((short) own);
    target.putInt(ring.queue());
    target.putLong(id);
  }

  // ---- of an encoded request

  /** An encoding to read from, from position 0 on. */
  protected static ByteBuffer view(ByteBuffer encoded) {
    return encoded.slice().order(ByteOrder.LITTLE_ENDIAN);
  }

  protected static int encodedFormat(ByteBuffer view) {
    return view.getShort(FORMAT);
  }

  protected static int encodedOwn(ByteBuffer view) {
    return view.getShort(OWN);
  }

  protected static long encodedId(ByteBuffer view) {
    return view.getLong(ID);
  }

  /** Whether an encoded request was never on its ring. */
  protected static boolean encodedInherited(ByteBuffer encoded) {
    return (view(encoded).getLong(0) & INHERITED) != 0;
  }

  /** The queue of an encoded request. */
  static int encodedQueue(ByteBuffer encoded) {
    return view(encoded).getInt(QUEUE);
  }

  /**
   * Whether an encoded request has an answer which a frontend sees that is shown those before
   * {@code published}.
   */
  static boolean encodedAnswerSeen(ByteBuffer encoded, int published) {
    long answer = view(encoded).getLong(0);
    return (answer & ANSWERED) != 0 && published - (int) answer > 0;
  }
}
