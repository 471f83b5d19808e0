package io.netchannel.midpoint;

/**
 * The first steps at its new mid-point of a guest that was served elsewhere, each told once. For
 * people: nothing depends on it.
 */
public final class Arrival {
  private final Milestones milestones;
  private boolean connected;
  private boolean requested;

  /** Of a guest that is still to come. */
  public Arrival(Milestones milestones) {
    this.milestones = milestones;
  }

  /** Its frontend is connected. */
  public void connected() {
    if (!connected) {
      connected = true;
      milestones.reached("connected");
    }
  }

  /** A request was taken from it. */
  public void taken() {
    if (!requested) {
      requested = true;
      milestones.reached("first request");
    }
  }
}
