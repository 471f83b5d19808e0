package io.netchannel.device.usb;

import io.netchannel.device.Backend;
import io.netchannel.device.RequestName;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * What URBs are sent to: what is at a port of this host or of another one, or a device in software;
 * or a filter around one of them. It may be empty at times ({@link PortState}); what is submitted
 * then completes with {@link UrbStatus#NO_DEVICE}.
 *
 * <p>All methods may be called on any thread, but for one endpoint URBs come from one thread at a
 * time, and that order is kept.
 */
public interface UsbDevice extends Backend {

  /** Told, on any thread, that {@link UsbDevice#port} has changed. Must not block or throw. */
  @FunctionalInterface
  interface PortListener {
    void portChanged();
  }

  /** What is there now. */
  PortState port();

  /**
   * Who is told of what comes and goes; the one before is told no more. Called at once on the
   * caller's thread when it is set, then whenever something was plugged or unplugged: after the
   * URBs of what was unplugged have completed.
   */
  void listen(PortListener listener);

  /**
   * Gives it a URB. It is the device's until it completes, which is never within this call. A
   * control request that changes what a device is (SET_CONFIGURATION, SET_INTERFACE,
   * CLEAR_FEATURE(ENDPOINT_HALT)) is done as this host has to do it, and {@link #port} tells the
   * result. SET_ADDRESS must not come here.
   *
   * @param incarnation of what it is for; of an older one it completes with NO_DEVICE
   */
  void submit(Urb urb, int incarnation, UrbCompletion completion);

  /**
   * Asks for the end of a URB. It completes as ever, soon: {@link UrbStatus#CANCELLED} with what
   * data had arrived, or with what became of it before. Nothing when it has completed already.
   */
  void unlink(Urb urb);

  /**
   * Resets what is at the port, as the guest does before it addresses a device again. What is
   * submitted later comes after it. URBs that are outstanding are unlinked.
   *
   * @return completed on any thread, which must not be kept waiting; with the outcome
   */
  CompletableFuture<UrbStatus> reset();

  /**
   * Has completions told on the thread of a loop, where they are wanted, rather than on one of the
   * device's own that would have to wake that one; until another loop is named, or this one ends. A
   * wish: it changes nothing where the device waits for no descriptor, or does something else just
   * then.
   *
   * @param loop null for the device's own thread, which is where it begins
   */
  default void completeOn(DescriptorLoop loop) {}

  /**
   * What its authority has of the user, as {@code Device.custody} of disks: URBs that go on there
   * and whose outcome, with its data, the next generation can ask for by name. What is submitted
   * and not in it has not been given to the authority, and is not from then on: the next generation
   * submits it itself.
   *
   * @return empty when there is no such authority: URBs have to be waited for or unlinked
   */
  default Optional<CompletableFuture<Map<Urb, RequestName>>> custody() {
    return Optional.empty();
  }

  /**
   * Takes up a URB of the generation before, which it was opened with ({@link
   * UsbOpenOptions.User#inherited}): it completes as if it had been submitted here, with the data
   * that came meanwhile. As often as it was inherited, which is once.
   *
   * @param urb as the one before, with room for its data; of an OUT transfer the data is not looked
   *     at
   * @return false when the authority does not know it: it was never done and never will be by
   *     itself, and the URB is still its owner's
   */
  default boolean takeUp(RequestName name, Urb urb, UrbCompletion completion) {
    return false;
  }
}
