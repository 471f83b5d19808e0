package io.netchannel.device;

import java.util.Optional;

/**
 * What devices of all kinds that are in front of another one share: all that it leaves as it is.
 * What the one below has in custody is not passed on: it knows the completions that it was given,
 * and not those of who uses this one.
 *
 * @param <B> the kind
 */
public abstract class ForwardingBackend<B extends Backend> implements Backend {
  protected final B device;

  /** In front of {@code device}, which is closed with it. */
  protected ForwardingBackend(B device) {
    this.device = device;
  }

  @Override
  public void useGeneration(long generation) {
    device.useGeneration(generation);
  }

  @Override
  public void keepPlace() {
    device.keepPlace();
  }

  @Override
  public void rest() {
    device.rest();
  }

  @Override
  public Optional<String> problem() {
    return device.problem();
  }

  @Override
  public boolean isGivenFree() {
    return device.isGivenFree();
  }

  @Override
  public void close() {
    device.close();
  }
}
