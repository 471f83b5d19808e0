package io.netchannel.device.remote;

import io.netchannel.device.DeviceException;
import io.netchannel.wire.FrameType;
import io.netchannel.wire.FrameWriter;
import io.netchannel.wire.Moved;
import io.netchannel.wire.Status;
import io.netchannel.wire.WireException;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.ArrayDeque;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * What the user of a device tells its server of where its disk is: one thing after the other, each
 * until it is answered. Belongs to the device's event loop.
 *
 * <pre>
 *   add --> WAITING --attached, none before it--> SENT --NOTED--> done, or failed with the reason
 *              ^ |                                 |
 *              | +--attached, to an older server   +--lost--> WAITING
 *              |       --> failed; ARRIVED: done
 *              +-- any of them --failAll--> failed
 * </pre>
 */
final class PlaceNotes {
  /**
   * One thing to tell.
   *
   * @param to empty when the disk has arrived
   */
  private record Note(Optional<Moved> to, CompletableFuture<Void> noted) {}

  private final String address;
  private final ArrayDeque<Note> notes = new ArrayDeque<>();
  private boolean sent;

  /** Of the last one that was sent. */
  private long number;

  private boolean anew;
  private boolean left;

  /** Whether the server was told with this generation that the disk has arrived, and may know. */
  private boolean saidArrived;

  /**
   * @param address of the device, for people
   * @param anew whether it is opened to be overwritten
   */
  PlaceNotes(String address, boolean anew) {
    this.address = address;
    this.anew = anew;
  }

  void add(Optional<Moved> to, CompletableFuture<Void> noted) {
    notes.add(new Note(to, noted));
  }

  /**
   * Whether an ATTACH has to say that the disk is elsewhere, and this will be a copy of it. Once
   * the server may know that it is complete that would be a lie; nor is it needed, as the
   * generation that has said so gets in.
   */
  boolean anew() {
    return anew && !saidArrived;
  }

  /** A newer one gets in as what becomes the disk only, while that is not noted. */
  void generationChanges() {
    saidArrived = false;
  }

  /**
   * Whether the server has noted that the disk has left. It lets no newer generation in then, and
   * the one that has said it is enough to end what there is.
   */
  boolean left() {
    return left;
  }

  /** While it is attached to a server that knows of this. */
  void send(FrameWriter writer) {
    if (sent || notes.isEmpty()) {
      return;
    }
    sent = true;
    number++;
    Optional<Moved> to = notes.peek().to();
    ByteBuf words =
        to.map(Moved::encoded).map(Unpooled::wrappedBuffer).orElse(Unpooled.EMPTY_BUFFER);
    FrameType type = to.isPresent() ? FrameType.MOVED : FrameType.ARRIVED;
    saidArrived |= to.isEmpty();
    writer.header().note(type, number, words.readableBytes());
    writer.addCopy(words);
    writer.flush();
  }

  /** A NOTED has come; the next one may be sent. */
  void noted(long answered, Status status, String words) throws WireException {
    if (!sent || answered != number) {
      throw new WireException(
          "NOTED: expected what answers %s, found %d"
              .formatted(sent ? number : "nothing", answered));
    }
    sent = false;
    Note note = notes.remove();
    if (status == Status.OK) {
      left = note.to().isPresent();
      anew &= left;
      note.noted().complete(null);
    } else {
      saidArrived &= note.to().isPresent();
      fail(note, false, "it has not noted where the disk is: " + words);
    }
  }

  /** What was sent and not answered is sent again. */
  void lost() {
    sent = false;
  }

  /** The server has version 1: it refuses nobody, and cannot be told to. */
  void isNotKnown() {
    while (!notes.isEmpty()) {
      Note note = notes.remove();
      if (note.to().isPresent()) {
        fail(
            note,
            true,
            "its server is older than this one and cannot note that the disk is elsewhere now;"
                + " install the same netchannel on both");
      } else {
        anew = false;
        note.noted().complete(null);
      }
    }
  }

  void failAll(String why) {
    while (!notes.isEmpty()) {
      fail(notes.remove(), false, "it may not have noted where the disk is: " + why);
    }
    sent = false;
  }

  private void fail(Note note, boolean lasting, String why) {
    note.noted().completeExceptionally(new DeviceException(lasting, address + ": " + why));
  }
}
