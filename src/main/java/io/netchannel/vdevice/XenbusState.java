package io.netchannel.vdevice;

/**
 * State of one end of a xenbus device, the value of its "state" node
 * (xen/include/public/io/xenbus.h).
 */
public enum XenbusState {
  /** No number of a state. */
  UNKNOWN(0),
  INITIALISING(1),
  /** The end has published what it offers and waits for the other one. */
  INIT_WAIT(2),
  /** The frontend has published its rings. */
  INITIALISED(3),
  CONNECTED(4),
  CLOSING(5),
  CLOSED(6),
  RECONFIGURING(7),
  RECONFIGURED(8);

  private final int number;

  XenbusState(int number) {
    this.number = number;
  }

  /** The state a node's value stands for; {@link #UNKNOWN} for whatever is not one. */
  public static XenbusState parse(String value) {
    for (XenbusState state : values()) {
      if (state.text().equals(value)) {
        return state;
      }
    }
    return UNKNOWN;
  }

  /** The value of the node. */
  public String text() {
    return Integer.toString(number);
  }
}
