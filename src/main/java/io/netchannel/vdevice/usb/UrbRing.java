package io.netchannel.vdevice.usb;

import io.netchannel.vdevice.BackRing;
import io.netchannel.vdevice.GuestLog;
import io.netchannel.vdevice.GuestMemory;
import io.netchannel.vdevice.RequestFormat;
import io.netchannel.vdevice.RequestRing;
import io.netchannel.vdevice.RingBrokenException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The requests of one connection: how they are made, and which of them are outstanding. */
final class UrbRing implements RequestFormat<RingUrb> {
  private final BackRing ring;
  private final int slots;
  private final UrbParser parser;
  private final IsoDescriptors descriptors;
  private final GuestMemory guest;
  private final PlugRing plugs;
  private final RingRelief relief;
  private final OldRing old;
  private final boolean resumes;
  private final GuestLog log;

  /** All that were ever needed: twice as many as slots at most. */
  private final List<RingUrb> requests = new ArrayList<>();

  /** Of the next request; those below the number of inherited ones are these. */
  private long sequence;

  /** Counts what was taken and what was answered: it stands still while nothing happens. */
  private long progress;

  /** Whether all slots may have been in use at once, as the frontend sees it. */
  private boolean wasFull;

  /** The responses that the frontend had taken when its requests were last looked for. */
  private int seen;

  private int urbs;
  private int peakUrbs;

  /**
   * @param ring where they are
   * @param old whose requests come first
   * @param resumes whether the frontend keeps unlinks that find no slot, among others
   */
  UrbRing(
      BackRing ring,
      UrbParser parser,
      IsoDescriptors descriptors,
      GuestMemory guest,
      PlugRing plugs,
      RingRelief relief,
      OldRing old,
      boolean resumes,
      GuestLog log) {
    this.ring = ring;
    slots = ring.size();
    this.parser = parser;
    this.descriptors = descriptors;
    this.guest = guest;
    this.plugs = plugs;
    this.relief = relief;
    this.old = old;
    this.resumes = resumes;
    this.log = log;
    sequence = (long) old.count() - old.waiting();
    wasFull = old.count() >= slots;
    seen = seen();
  }

  /** Whether this device has not gone. */
  boolean isThere(int device) {
    return device == parser.device();
  }

  GuestMemory guest() {
    return guest;
  }

  IsoDescriptors descriptors() {
    return descriptors;
  }

  @Override
  public RingUrb newRequest(RequestRing<RingUrb> ring, int place) {
    RingUrb request = new RingUrb(ring, place, this);
    requests.add(request);
    return request;
  }

  @Override
  public ByteBuffer slot() {
    return parser.slot();
  }

  @Override
  public OldRing inherited() {
    return old;
  }

  @Override
  public boolean parse(RingUrb request) {
    boolean repeated = isOutstanding(parser.id());
    Optional<UrbParser.Refusal> refusal = parser.parse(request, sequence);
    request.setInherited(sequence < old.count());
    sequence++;
    if (refusal.isPresent()) {
      return refuse(request, refusal.get().errno(), refusal.get().reason());
    }
    if (repeated) {
      return refuse(request, -UsbifStatus.INVAL, "its id is that of one that has no answer yet");
    }
    if (request.isUnlink()) {
      long target = sequenceOf(request.unlinkedId());
      if (target != RingUrb.NO_TARGET && unlinkOf(target).isPresent()) {
        return refuse(request, -UsbifStatus.INVAL, "another unlink of it has no answer yet");
      }
      request.target(target);
    }
    return true;
  }

  private boolean refuse(RingUrb request, int errno, String reason) {
    log.warn("bad request refused: %s: %s".formatted(request, reason));
    request.refuse(errno);
    return false;
  }

  private boolean isOutstanding(int id) {
    for (int i = 0; i < requests.size(); i++) {
      if (requests.get(i).isWaiting() && requests.get(i).id() == id) {
        return true;
      }
    }
    return false;
  }

  /** Of the URB that has this id and no answer; {@link RingUrb#NO_TARGET} when there is none. */
  private long sequenceOf(int id) {
    for (int i = 0; i < requests.size(); i++) {
      RingUrb request = requests.get(i);
      if (request.isWaiting() && !request.isUnlink() && request.id() == id) {
        return request.sequence();
      }
    }
    return RingUrb.NO_TARGET;
  }

  /** The URB with this number, while it has no answer. */
  Optional<UrbRequest> urb(long number) {
    for (int i = 0; i < requests.size(); i++) {
      RingUrb request = requests.get(i);
      if (request.isWaiting() && !request.isUnlink() && request.sequence() == number) {
        return Optional.of(request);
      }
    }
    return Optional.empty();
  }

  /** The unlink of the URB with this number, while it has no answer. */
  Optional<UrbRequest> unlinkOf(long number) {
    for (int i = 0; i < requests.size(); i++) {
      RingUrb request = requests.get(i);
      if (request.isWaiting() && request.isUnlink() && request.target() == number) {
        return Optional.of(request);
      }
    }
    return Optional.empty();
  }

  @Override
  public void serveOtherRings() throws RingBrokenException {
    lookWhetherFull();
    plugs.serve();
  }

  /**
   * How many are without an answer here does not tell: some are answered before the next one is
   * taken, and a slot is in use until the frontend has taken its response. But never since the last
   * look were more in use than are put on the ring now, less the responses taken by then.
   */
  private void lookWhetherFull() {
    wasFull |= ring.requestProducer() - seen >= slots;
    seen = seen();
  }

  /** How many responses the frontend has taken: it sets rsp_event to one after these. */
  private int seen() {
    return ring.responseEvent() - 1;
  }

  @Override
  public void decode(ByteBuffer encoded, RingUrb request) throws RingBrokenException {
    request.decode(encoded);
    parser.taken(request);
    if (request.isInherited()) {
      old.skip(request.sequence());
    }
    sequence = Math.max(sequence, request.sequence() + 1);
    wasFull = true; // as far as this process knows
  }

  void begun(RingUrb request) {
    progress++;
    urbs += request.isUnlink() ? 0 : 1;
    peakUrbs = Math.max(peakUrbs, urbs);
  }

  void ended(RingUrb request) {
    progress++;
    urbs -= request.isUnlink() ? 0 : 1;
  }

  /** The most that were without an answer at once, without unlinks. */
  int peakUrbs() {
    return peakUrbs;
  }

  /** INs that wait for their device. */
  int parkedIns() {
    int parked = 0;
    for (int i = 0; i < requests.size(); i++) {
      parked += requests.get(i).isParkedIn() ? 1 : 0;
    }
    return parked;
  }

  // ---- for RingRelief

  /** Whether unlinks may have found no slot, and were forgotten by the frontend then. */
  boolean mayMissUnlinks() {
    return !resumes && wasFull;
  }

  long progress() {
    return progress;
  }

  /** Whether every slot has an IN that waits for its device. */
  boolean isFullOfParkedIns() {
    return parkedIns() >= slots;
  }

  /** Whether one was relieved and is not answered yet. */
  boolean isRelieving() {
    for (int i = 0; i < requests.size(); i++) {
      if (requests.get(i).isWaiting() && requests.get(i).isRelieved()) {
        return true;
      }
    }
    return false;
  }

  /** Whether an empty answer does it no harm. */
  boolean isRelievable(RingUrb request) {
    return request.isParkedIn() && relief.allows(request.endpointNumber());
  }

  /**
   * The IN that has waited longest, of those that nobody has unlinked.
   *
   * @param any whether also of those that an empty answer may harm
   */
  Optional<RingUrb> oldestParkedIn(boolean any) {
    RingUrb oldest = null;
    for (int i = 0; i < requests.size(); i++) {
      RingUrb request = requests.get(i);
      boolean fits =
          any ? request.isParkedIn() && request.unlink().isEmpty() : isRelievable(request);
      if (fits && (oldest == null || request.sequence() < oldest.sequence())) {
        oldest = request;
      }
    }
    return Optional.ofNullable(oldest);
  }
}
