package io.netchannel.daemon;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.toml.TomlFactory;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import io.netchannel.text.PathText;
import io.netchannel.text.Sizes;
import io.netchannel.time.Durations;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A table of a TOML file that knows which of its keys were asked for, so that a misspelt one is an
 * error ({@link #finish}) and not a default. Errors name file, line and key.
 */
final class TomlTable {
  private static final Pattern HEADER = Pattern.compile("\\s*\\[{1,2}\\s*([^]]+?)\\s*]{1,2}.*");

  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

  private final String file;
  private final List<String> lines;
  private final String name;
  private final JsonNode node;
  private final TreeSet<String> known = new TreeSet<>();

  private TomlTable(String file, List<String> lines, String name, JsonNode node) {
    this.file = file;
    this.lines = lines;
    this.name = name;
    this.node = node;
  }

  /** The top table of a file. */
  static TomlTable parse(String file, String text) throws ConfigurationException {
    try {
      return new TomlTable(file, text.lines().toList(), "", tree(text));
    } catch (JsonProcessingException e) {
      int line = e.getLocation() == null ? 0 : e.getLocation().getLineNr();
      throw new ConfigurationException(
          "%s%s: not TOML: %s".formatted(file, line > 0 ? ":" + line : "", e.getOriginalMessage()),
          e);
    }
  }

  /**
   * As an ObjectMapper's readTree. To make one takes a daemon that starts ten times as long as to
   * read the file, and its guests wait.
   */
  private static JsonNode tree(String text) throws JsonProcessingException {
    try (JsonParser parser = new TomlFactory().createParser(text)) {
      parser.nextToken();
      return value(parser);
    } catch (JsonProcessingException e) {
      throw e;
    } catch (IOException e) {
      throw new UncheckedIOException("reading from memory", e);
    }
  }

  /** What begins at the current token; the last one of it is current then. */
  private static JsonNode value(JsonParser parser) throws IOException {
    return switch (parser.currentToken()) {
      case START_OBJECT -> {
        ObjectNode table = NODES.objectNode();
        while (parser.nextToken() != JsonToken.END_OBJECT) {
          String key = parser.currentName();
          parser.nextToken();
          table.set(key, value(parser));
        }
        yield table;
      }
      case START_ARRAY -> {
        ArrayNode list = NODES.arrayNode();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
          list.add(value(parser));
        }
        yield list;
      }
      case VALUE_STRING -> NODES.textNode(parser.getText());
      case VALUE_TRUE, VALUE_FALSE -> NODES.booleanNode(parser.getBooleanValue());
      case VALUE_NUMBER_INT -> NODES.numberNode(parser.getBigIntegerValue());
      case VALUE_NUMBER_FLOAT -> NODES.numberNode(parser.getDoubleValue());
      case NOT_AVAILABLE, FIELD_NAME, END_OBJECT, END_ARRAY, VALUE_EMBEDDED_OBJECT, VALUE_NULL ->
          throw new IllegalStateException("TOML has no " + parser.currentToken());
    };
  }

  Optional<String> text(String key) throws ConfigurationException {
    JsonNode value = take(key);
    if (value == null) {
      return Optional.empty();
    }
    if (!value.isTextual() || value.textValue().isBlank()) {
      throw error(key, "a text in quotes", value.toString());
    }
    return Optional.of(value.textValue());
  }

  String required(String key) throws ConfigurationException {
    Optional<String> value = text(key);
    if (value.isEmpty()) {
      throw new ConfigurationException("%s: [%s] needs a key \"%s\"".formatted(file, name, key));
    }
    return value.get();
  }

  boolean flag(String key, boolean otherwise) throws ConfigurationException {
    JsonNode value = take(key);
    if (value == null) {
      return otherwise;
    }
    if (!value.isBoolean()) {
      throw error(key, "true or false", value.toString());
    }
    return value.booleanValue();
  }

  Path path(String key, Path otherwise) throws ConfigurationException {
    return path(key).orElse(otherwise);
  }

  Optional<Path> path(String key) throws ConfigurationException {
    Optional<String> value = text(key);
    try {
      return value.map(PathText::parse);
    } catch (IllegalArgumentException e) {
      throw error(key, e.getMessage());
    }
  }

  Optional<Duration> duration(String key) throws ConfigurationException {
    Optional<String> value = text(key);
    if (value.isEmpty()) {
      return Optional.empty();
    }
    Optional<Duration> duration = Durations.parse(value.get());
    if (duration.isEmpty() || duration.get().isZero()) {
      throw error(key, "a duration such as " + Durations.EXAMPLES + ", in quotes", value.get());
    }
    return duration;
  }

  /** Bytes, from a size such as "512M". */
  OptionalLong size(String key) throws ConfigurationException {
    Optional<String> value = text(key);
    if (value.isEmpty()) {
      return OptionalLong.empty();
    }
    OptionalLong size = Sizes.parse(value.get());
    if (size.isEmpty()) {
      throw error(key, "a size such as " + Sizes.EXAMPLES + ", in quotes", value.get());
    }
    return size;
  }

  /** Whether there is such a key. */
  boolean has(String key) {
    return node.has(key);
  }

  /** A list of texts; empty when it is not there. */
  ImmutableList<String> list(String key) throws ConfigurationException {
    JsonNode value = take(key);
    ImmutableList.Builder<String> texts = ImmutableList.builder();
    if (value != null && !value.isArray()) {
      throw error(key, "a list such as [\"hosta\", \"hostb\"]", value.toString());
    }
    if (value != null) {
      for (JsonNode entry : value) {
        if (!entry.isTextual()) {
          throw error(key, "a list of texts", value.toString());
        }
        texts.add(entry.asText());
      }
    }
    return texts.build();
  }

  /** The table {@code key}, empty when it is not there. */
  TomlTable table(String key) throws ConfigurationException {
    JsonNode value = take(key);
    if (value != null && !value.isObject()) {
      throw error(key, "a table: [" + key + "]", value.toString());
    }
    return new TomlTable(file, lines, key, value == null ? NODES.objectNode() : value);
  }

  /** The tables of [[key]]. */
  List<TomlTable> tables(String key) throws ConfigurationException {
    JsonNode value = take(key);
    if (value == null) {
      return ImmutableList.of();
    }
    if (!value.isArray()) {
      throw error(key, "tables written as [[" + key + "]]", value.toString());
    }
    ImmutableList.Builder<TomlTable> tables = ImmutableList.builder();
    for (JsonNode entry : value) {
      tables.add(new TomlTable(file, lines, key, entry));
    }
    return tables.build();
  }

  /** All keys with their texts, for a table whose keys are free. */
  ImmutableMap<String, String> texts() throws ConfigurationException {
    ImmutableMap.Builder<String, String> texts = ImmutableMap.builder();
    for (Map.Entry<String, JsonNode> entry : node.properties()) {
      texts.put(entry.getKey(), required(entry.getKey()));
    }
    return texts.buildOrThrow();
  }

  /** Ends the reading: a key nobody asked for is an error. */
  void finish() throws ConfigurationException {
    for (Map.Entry<String, JsonNode> entry : node.properties()) {
      if (!known.contains(entry.getKey())) {
        throw new ConfigurationException(
            "%s: unknown key \"%s\"%s; known are %s"
                .formatted(
                    position(entry.getKey()),
                    entry.getKey(),
                    name.isEmpty() ? "" : " in [" + name + "]",
                    String.join(", ", known)));
      }
    }
  }

  ConfigurationException error(String key, String expected, String found) {
    return new ConfigurationException(
        "%s: %s%s: expected %s, found %s"
            .formatted(position(key), name.isEmpty() ? "" : name + ".", key, expected, found));
  }

  ConfigurationException error(String key, String problem) {
    return new ConfigurationException(position(key) + ": " + problem);
  }

  private JsonNode take(String key) {
    known.add(key);
    return node.get(key);
  }

  /**
   * File and line of a key: Jackson gives no position for values, so it is looked up in the text.
   */
  private String position(String key) {
    String table = "";
    for (int i = 0; i < lines.size(); i++) {
      Matcher header = HEADER.matcher(lines.get(i));
      String before = lines.get(i).split("=", 2)[0].strip().replaceAll("^[\"']|[\"']$", "");
      if (header.matches()) {
        table = header.group(1);
      }
      boolean here =
          header.matches()
              ? name.isEmpty() && table.equals(key)
              : table.equals(name) && before.equals(key);
      if (here) {
        return file + ":" + (i + 1);
      }
    }
    return file;
  }
}
