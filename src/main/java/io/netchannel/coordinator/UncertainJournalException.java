package io.netchannel.coordinator;

/** A record may be in the journal or not: only a restart finds out. */
public final class UncertainJournalException extends JournalException {
  private static final long serialVersionUID = 1L;

  UncertainJournalException(String message, Throwable cause) {
    super(message, cause);
  }
}
