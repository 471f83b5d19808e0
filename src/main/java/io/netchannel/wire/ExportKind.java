package io.netchannel.wire;

/** What an export is. A client asks for one of a kind; a server refuses to give it another. */
public enum ExportKind {
  DISK("a disk"),
  /** Since version 5. */
  USB("a USB device");

  private final String words;

  ExportKind(String words) {
    this.words = words;
  }

  /** For people: "a disk". */
  public String words() {
    return words;
  }
}
