package io.netchannel.midpoint.usb;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSortedMap;
import com.google.common.collect.ImmutableSortedSet;
import com.google.common.collect.Iterables;
import com.google.common.collect.Maps;
import io.netchannel.device.usb.PortState.Plugged;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbSpeed;
import io.netchannel.midpoint.Manifest;
import io.netchannel.midpoint.MidPointTrace;
import io.netchannel.vdevice.usb.PortMemory;
import io.netchannel.vdevice.usb.RingMark;
import java.nio.ByteBuffer;
import java.util.Optional;

/**
 * What was at the sealed mid-point of a USB port. See the package's description for what becomes of
 * it.
 *
 * @param generation the source's
 * @param incomplete how many URBs were at the device when the seal began
 * @param resumes whether the guest's driver sends again what it has not seen answered
 *     (feature-resume)
 * @param port what the frontend was told
 * @param mark where its ring is; empty when no frontend was connected
 * @param device what was plugged; empty for nothing
 * @param unanswered in order of sequence, each sequence once
 */
public record UsbManifest(
    long generation,
    int incomplete,
    boolean resumes,
    PortMemory port,
    Optional<RingMark> mark,
    Optional<Settings> device,
    ImmutableList<Unanswered> unanswered)
    implements Manifest {

  /**
   * What the guest has set at its device, which stays so as long as nobody resets it.
   *
   * @param configuration the value of the one that is set, 0 for none
   * @param alternates the alternate setting of each interface, by its number, where it is not 0
   * @param halted addresses of the endpoints that are halted
   */
  public record Settings(
      UsbSpeed speed,
      int configuration,
      ImmutableSortedMap<Integer, Integer> alternates,
      ImmutableSortedSet<Integer> halted) {

    /** Those of a device; what it says that no device can have is left out. */
    static Settings of(Plugged plugged) {
      return new Settings(
          plugged.speed(),
          plugged.configuration(),
          ImmutableSortedMap.copyOf(
              Maps.filterValues(plugged.alternates(), alternate -> alternate != 0)),
          ImmutableSortedSet.copyOf(
              Iterables.filter(plugged.halted(), UsbManifestCodec::isEndpoint)));
    }

    /** Whether a device with these settings is what the guest of one with the others expects. */
    boolean isAs(Settings other) {
      // What halts an endpoint is the device's own doing: the guest finds out as ever.
      return speed == other.speed
          && configuration == other.configuration
          && alternates.equals(other.alternates);
    }
  }

  /** What an unanswered request asked for. */
  public enum Kind {
    CONTROL,
    BULK,
    INTERRUPT,
    ISOCHRONOUS,
    UNLINK,
    SET_ADDRESS
  }

  /**
   * A request that the guest has kept over its suspend, which no Linux guest does.
   *
   * @param sequence its number at the source, unique there
   * @param generation of the source when it was taken
   * @param id by which the guest knows it
   * @param endpoint with bit 7 for IN
   * @param lengthBytes asked for
   * @param outcome what the device said; empty when nothing was done of it, nor will be
   * @param actualBytes moved
   */
  public record Unanswered(
      long sequence,
      long generation,
      int id,
      Kind kind,
      int endpoint,
      int lengthBytes,
      Optional<UrbStatus> outcome,
      int actualBytes)
      implements MidPointTrace.Subject {

    @Override
    public void describe(MidPointTrace trace) {
      trace.word("op", kind);
      trace.number("ep", endpoint);
      trace.number("len", lengthBytes);
    }

    /** How far it has come; for the trace. */
    State state() {
      return outcome.isPresent() ? State.DONE : State.UNISSUED;
    }
  }

  /** How far a request had come. */
  enum State {
    UNISSUED,
    DONE
  }

  /** Of a port that has served nobody. */
  static UsbManifest nothing(long generation) {
    return new UsbManifest(
        generation,
        0,
        false,
        PortMemory.NOTHING,
        Optional.empty(),
        Optional.empty(),
        ImmutableList.of());
  }

  @Override
  public int pending() {
    return unanswered.size();
  }

  @Override
  public Encoded encoded() {
    return UsbManifestCodec.encode(this);
  }

  /** Its bytes alone. */
  public byte[] encode() {
    return encoded().bytes().array();
  }

  /**
   * Reads what {@link #encode} wrote.
   *
   * @throws IllegalArgumentException when it is not that; the message says what is wrong
   */
  public static UsbManifest decode(byte[] encoded) {
    return UsbManifestCodec.decode(ByteBuffer.wrap(encoded), false);
  }

  /**
   * Likewise, without a look at the checksum: somebody has compared {@link Encoded#crc32c} since
   * the bytes came over a network or from a disk.
   */
  public static UsbManifest decodeVerified(ByteBuffer encoded) {
    return UsbManifestCodec.decode(encoded, true);
  }
}
