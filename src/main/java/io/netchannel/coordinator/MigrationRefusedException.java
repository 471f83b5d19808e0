package io.netchannel.coordinator;

/** A migration cannot go on; the message is for the user of virsh. */
public final class MigrationRefusedException extends Exception {
  private static final long serialVersionUID = 1L;

  public MigrationRefusedException(String message) {
    super(message);
  }

  public MigrationRefusedException(String message, Throwable cause) {
    super(message, cause);
  }
}
