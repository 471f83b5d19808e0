package io.netchannel.daemon;

/**
 * The configuration cannot be used. The message names file, line where known, and what is expected.
 */
public final class ConfigurationException extends Exception {
  private static final long serialVersionUID = 1L;

  public ConfigurationException(String message) {
    super(message);
  }

  public ConfigurationException(String message, Throwable cause) {
    super(message, cause);
  }
}
