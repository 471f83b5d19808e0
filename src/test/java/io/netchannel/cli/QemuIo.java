package io.netchannel.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.Reader;
import java.io.Writer;
import java.util.List;

/** QEMU's own client of a disk, told what to do line by line; killed with {@link #close}. */
final class QemuIo implements AutoCloseable {
  private static final String PROMPT = "qemu-io> ";

  private final Process process;
  private final Reader out;
  private final Writer in;

  QemuIo(String uri) throws IOException {
    process =
        new ProcessBuilder(List.of("qemu-io", "-f", "raw", uri)).redirectErrorStream(true).start();
    out = process.inputReader(UTF_8);
    in = process.outputWriter(UTF_8);
    untilPrompt();
  }

  /** Returns when it has been done, without an error. */
  void write(byte value, long offsetBytes, int lengthBytes) throws IOException {
    assertThat(tell("write -P %d %d %d".formatted(value & 0xff, offsetBytes, lengthBytes)))
        .contains("wrote %d/%d bytes at offset %d".formatted(lengthBytes, lengthBytes, offsetBytes))
        .doesNotContain("failed");
  }

  void flush() throws IOException {
    assertThat(tell("flush")).isEmpty();
  }

  private String tell(String line) throws IOException {
    in.write(line + "\n");
    in.flush();
    return untilPrompt();
  }

  private String untilPrompt() throws IOException {
    StringBuilder text = new StringBuilder();
    while (text.length() < PROMPT.length()
        || !text.substring(text.length() - PROMPT.length()).equals(PROMPT)) {
      int next = out.read();
      if (next < 0) {
        throw new IOException("qemu-io has ended: " + text);
      }
      text.append((char) next);
    }
    return text.substring(0, text.length() - PROMPT.length());
  }

  @Override
  public void close() {
    process.destroyForcibly();
    process.onExit().join();
  }
}
