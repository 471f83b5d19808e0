package io.netchannel.vdevice;

import io.netchannel.xen.XenStoreOperations;
import java.util.Optional;

/** Reads what a guest has written into the nodes of a frontend: anything may be there. */
public final class FrontendNodes {
  private static final int PRINTED_CHARACTERS = 32;

  private FrontendNodes() {}

  /**
   * A number that has to be there.
   *
   * @throws HandshakeException when it is not, or is no unsigned number of 32 bits
   */
  public static int required(XenStoreOperations store, String directory, String name)
      throws HandshakeException {
    return optional(store, directory, name)
        .orElseThrow(() -> new HandshakeException("reading %s/%s".formatted(directory, name)));
  }

  /** An unsigned 32-bit number, as the kernel reads it with "%u". */
  public static Optional<Integer> optional(XenStoreOperations store, String directory, String name)
      throws HandshakeException {
    Optional<String> text = store.read(directory + "/" + name);
    if (text.isEmpty()) {
      return Optional.empty();
    }
    try {
      return Optional.of(Integer.parseUnsignedInt(text.get()));
    } catch (NumberFormatException e) {
      throw new HandshakeException(
          "reading %s/%s: expected a number, found %s"
              .formatted(directory, name, printable(text.get())));
    }
  }

  /** A guest's text for our log: short, and without anything that could forge a line. */
  public static String printable(String text) {
    String plain = text.replaceAll("[^\\x20-\\x7e]", "?");
    String printed =
        plain.length() <= PRINTED_CHARACTERS
            ? plain
            : plain.substring(0, PRINTED_CHARACTERS) + "...";
    return "\"" + printed + "\"";
  }
}
