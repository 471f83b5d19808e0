package io.netchannel.coordinator;

/**
 * The journal cannot be read or written; nothing of what was to be written has happened, unless it
 * is an {@link UncertainJournalException}.
 */
public class JournalException extends Exception {
  private static final long serialVersionUID = 1L;

  public JournalException(String message) {
    super(message);
  }

  public JournalException(String message, Throwable cause) {
    super(message, cause);
  }
}
