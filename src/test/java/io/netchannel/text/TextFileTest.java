package io.netchannel.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Files as editors leave them, and paths as people write them. */
final class TextFileTest {
  @TempDir private Path directory;

  private Path file(Charset charset, String text) throws Exception {
    return Files.write(directory.resolve("c.toml"), text.getBytes(charset));
  }

  @Test
  void readsUtf8WithAByteOrderMarkOrWithout() throws Exception {
    String text = "größe = \"\uD83D\uDCBE\"\r\n\uFEFF";
    assertThat(TextFile.read(file(StandardCharsets.UTF_8, text))).isEqualTo(text);
    assertThat(TextFile.read(file(StandardCharsets.UTF_8, "\uFEFF" + text))).isEqualTo(text);
    assertThat(TextFile.read(file(StandardCharsets.UTF_8, "\uFEFF"))).isEmpty();
    assertThat(TextFile.read(file(StandardCharsets.UTF_8, ""))).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "ISO-8859-1, ':3: not UTF-8: expected UTF-8, found the byte 0xFC as the line''s byte 2;'",
    "UTF-16LE, ':1: not UTF-8: expected UTF-8, found the byte 0xFF as the line''s byte 1;'",
  })
  void saysWhereItIsNoUtf8(String charset, String words) throws Exception {
    String mark = charset.startsWith("UTF-16") ? "\uFEFF" : "";
    Path file = file(Charset.forName(charset), mark + "# one\n\nfür\n");
    assertThatThrownBy(() -> TextFile.read(file))
        .isInstanceOf(TextFile.NotTextException.class)
        .hasMessageStartingWith(file + words);
  }

  /** The last character is cut off. */
  @Test
  void saysSoAtTheEndToo() throws Exception {
    Path file = Files.write(directory.resolve("cut"), new byte[] {'a', '\n', (byte) 0xC3});
    assertThatThrownBy(() -> TextFile.read(file))
        .isInstanceOf(TextFile.NotTextException.class)
        .hasMessageContaining("cut:2: not UTF-8");
  }

  @Test
  void aTextThatIsNoPathIsToldInWords() {
    assertThat(PathText.parse("/srv/größe")).isEqualTo(Path.of("/srv/größe"));
    assertThatThrownBy(() -> PathText.parse("/srv/\0x"))
        .isExactlyInstanceOf(IllegalArgumentException.class)
        .hasMessage("the path \"/srv/\\0x\" has a NUL character; no file has one in its name");
    // Half a character: no character set can write it, as ASCII cannot write an umlaut.
    assertThatThrownBy(() -> PathText.parse("/srv/\uD800"))
        .isExactlyInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("character set")
        .hasMessageContaining("LC_ALL=C.UTF-8");
  }
}
