package io.netchannel.midpoint;

import io.netchannel.device.Backend;

/**
 * How what is pending at a mid-point leaves it for another one, and how it comes from there: a kind
 * of device's own part of it. On the agent's thread.
 *
 * @param <B> what requests go to
 * @param <M> what is handed over of them
 */
public interface HandOver<B extends Backend, M extends Manifest> {

  /**
   * What a seal has when nothing was ever served here.
   *
   * @throws IllegalStateException when this cannot be handed over, with why
   */
  M nothing();

  /**
   * Begins to seal: the flow becomes QUIET, or LEAVING.
   *
   * @throws IllegalStateException when it cannot be sealed, with why; nothing has changed
   */
  Seal<M> seal(Seal.Terms<M> terms);

  /** Nobody here needs what a seal has made any more. */
  void drop();

  /** Prepares a take-over. */
  void stage(M expected);

  /** Forgets what was prepared. */
  void unstage();

  /**
   * Whether a manifest and a device fit each other; nothing has changed yet.
   *
   * @throws IllegalArgumentException when they do not, with why
   */
  void check(M handedOver, B newDevice);

  /** Begins to finish what a manifest has, which {@link DeviceFlow#settle} goes on with. */
  void takeOver(M handedOver, B newDevice);
}
