package io.netchannel.daemon;

import com.google.common.collect.ImmutableSet;
import io.netchannel.device.file.FileStat;
import io.netchannel.files.DurableFile;
import io.netchannel.server.Export;
import io.netchannel.server.ExportException;
import io.netchannel.text.TextFile;
import io.netchannel.wire.ExportKind;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What was exported while the daemon ran, each in a file of its own, "NAME.export" in the server's
 * directory: clients come again after a restart. Stateless.
 */
final class ExportFiles {
  private static final Logger log = LoggerFactory.getLogger(ExportFiles.class);

  private static final String SUFFIX = ".export";

  /** In requests, answers and such files: what is exported. */
  static final String KIND = "kind";

  /** In such a file: which file a pool has made as what is exported, and may delete. */
  private static final String VOLUME = "volume";

  /** Likewise: whose device it is that has left it here. */
  private static final String OWNER = "owner";

  /**
   * What such a file has.
   *
   * @param volume the file that a pool has made for it
   */
  record Stored(Export export, Optional<FileStat.Birth> volume) {}

  private final Path directory;

  ExportFiles(Path directory) {
    this.directory = directory;
  }

  /** All that are there, but those that cannot be read: of these the log tells. */
  void each(Consumer<Stored> found) throws IOException {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(directory, "*" + SUFFIX)) {
      for (Path file : files) {
        try {
          found.accept(read(file));
        } catch (IOException | IllegalArgumentException e) {
          log.error("{}: {}; export it again", file, e.getMessage());
        }
      }
    }
  }

  /** Durable when it returns. */
  void write(Stored stored) throws ExportException {
    Export export = stored.export();
    Map<String, Object> content = new LinkedHashMap<>();
    content.put(KIND, MigrationJson.lowerCase(export.kind()));
    content.put("source", export.source());
    content.put("readOnly", export.readOnly());
    content.put("allow", export.allow().asList());
    export.owner().ifPresent(owner -> content.put(OWNER, owner));
    stored.volume().ifPresent(birth -> content.put(VOLUME, birth.toString()));
    try {
      DurableFile.write(
          file(export.name()),
          Json.write(content).getBytes(StandardCharsets.UTF_8),
          DurableFile.PRIVATE);
    } catch (IOException e) {
      throw new ExportException(
          "export %s cannot be stored: %s".formatted(export.name(), e.getMessage()), e);
    }
  }

  /** Durable when it returns; also where there is none. */
  void delete(String name) throws ExportException {
    try {
      DurableFile.delete(file(name));
    } catch (IOException e) {
      throw new ExportException(
          "export %s is gone and may come back with the next start: %s; check that disk and remove it then"
              .formatted(name, e),
          e);
    }
  }

  private Path file(String name) {
    return directory.resolve(name + SUFFIX);
  }

  private static Stored read(Path file) throws IOException {
    Map<String, Object> content = Json.parseObject(TextFile.read(file));
    String name = file.getFileName().toString();
    if (content.get("source") instanceof String source) {
      return new Stored(
          new Export(
              kind(content),
              name.substring(0, name.length() - SUFFIX.length()),
              source,
              Boolean.TRUE.equals(content.get("readOnly")),
              names(content.get("allow")),
              Optional.ofNullable(content.get(OWNER)).map(String::valueOf)),
          content.get(VOLUME) instanceof String birth
              ? Optional.of(FileStat.Birth.parse(birth))
              : Optional.empty());
    }
    throw new IllegalArgumentException("expected a source, found " + content);
  }

  /** A disk where it does not say. */
  static ExportKind kind(Map<String, Object> content) {
    String kind = String.valueOf(content.getOrDefault(KIND, "disk"));
    return Arrays.stream(ExportKind.values())
        .filter(known -> MigrationJson.lowerCase(known).equals(kind))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "expected an export of kind disk or usb, found " + kind));
  }

  static ImmutableSet<String> names(Object list) {
    ImmutableSet.Builder<String> names = ImmutableSet.builder();
    if (list instanceof List<?> texts) {
      texts.forEach(text -> names.add(String.valueOf(text)));
    }
    return names.build();
  }
}
