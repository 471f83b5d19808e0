package io.netchannel.daemon;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * JSON as plain maps, lists, strings, numbers and booleans, over Jackson's streaming layer alone:
 * its data binding would double the start time of every command.
 */
public final class Json {
  private static final JsonFactory FACTORY = new JsonFactory();

  /** A control message nests three levels; a deeper text is not ours. */
  private static final int MAX_DEPTH = 32;

  private Json() {}

  /**
   * Reads one value and nothing after it.
   *
   * @throws IllegalArgumentException when the text is not JSON; says where
   */
  public static Object parse(String text) {
    try (JsonParser parser = FACTORY.createParser(text)) {
      parser.nextToken();
      Object value = value(parser, 0);
      if (parser.nextToken() != null) {
        throw new IllegalArgumentException("more text after the end of the JSON value");
      }
      return value;
    } catch (IOException e) {
      throw new IllegalArgumentException("not JSON: " + e.getMessage(), e);
    }
  }

  /** As {@link #parse} for a text that must be an object. */
  public static Map<String, Object> parseObject(String text) {
    return object(parse(text));
  }

  /** The value as an object with text keys. */
  public static Map<String, Object> object(Object value) {
    if (!(value instanceof Map<?, ?> map)) {
      throw new IllegalArgumentException("expected a JSON object, found " + kind(value));
    }
    Map<String, Object> copy = new LinkedHashMap<>();
    map.forEach((key, entry) -> copy.put(String.valueOf(key), entry));
    return copy;
  }

  /** The value as a list of objects. */
  public static List<Map<String, Object>> objects(Object value) {
    if (!(value instanceof List<?> list)) {
      throw new IllegalArgumentException("expected a JSON array, found " + kind(value));
    }
    return list.stream().map(Json::object).toList();
  }

  /** Writes maps, collections, text, numbers, booleans and null; anything else as its text. */
  public static String write(Object value) {
    return write(value, false);
  }

  /** As {@link #write}, over several lines for people. */
  public static String writePretty(Object value) {
    return write(value, true);
  }

  private static String write(Object value, boolean pretty) {
    StringWriter text = new StringWriter();
    try (JsonGenerator generator = FACTORY.createGenerator(text)) {
      if (pretty) {
        generator.useDefaultPrettyPrinter();
      }
      write(generator, value);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return text.toString();
  }

  private static void write(JsonGenerator generator, Object value) throws IOException {
    if (value instanceof Map<?, ?> map) {
      generator.writeStartObject();
      for (Map.Entry<?, ?> entry : map.entrySet()) {
        generator.writeFieldName(String.valueOf(entry.getKey()));
        write(generator, entry.getValue());
      }
      generator.writeEndObject();
    } else if (value instanceof Iterable<?> list) {
      generator.writeStartArray();
      for (Object entry : list) {
        write(generator, entry);
      }
      generator.writeEndArray();
    } else if (value instanceof Long || value instanceof Integer) {
      generator.writeNumber(((Number) value).longValue());
    } else if (value instanceof Number number) {
      generator.writeNumber(number.doubleValue());
    } else if (value instanceof Boolean bool) {
      generator.writeBoolean(bool);
    } else if (value == null) {
      generator.writeNull();
    } else {
      generator.writeString(value.toString());
    }
  }

  private static Object value(JsonParser parser, int depth) throws IOException {
    JsonToken token = parser.currentToken();
    if (token == null || depth > MAX_DEPTH) {
      throw new IllegalArgumentException(
          token == null ? "not JSON: it is empty" : "JSON nested deeper than " + MAX_DEPTH);
    }
    if (token == JsonToken.START_OBJECT) {
      Map<String, Object> map = new LinkedHashMap<>();
      while (parser.nextToken() != JsonToken.END_OBJECT) {
        String name = parser.currentName();
        parser.nextToken();
        map.put(name, value(parser, depth + 1));
      }
      return map;
    }
    if (token == JsonToken.START_ARRAY) {
      List<Object> list = new ArrayList<>();
      while (parser.nextToken() != JsonToken.END_ARRAY) {
        list.add(value(parser, depth + 1));
      }
      return list;
    }
    if (token == JsonToken.VALUE_NUMBER_INT) {
      return parser.getLongValue();
    }
    if (token == JsonToken.VALUE_NUMBER_FLOAT) {
      return parser.getDoubleValue();
    }
    if (token == JsonToken.VALUE_NULL) {
      return null;
    }
    return token.isBoolean() ? (Object) parser.getBooleanValue() : parser.getText();
  }

  private static String kind(Object value) {
    return value == null ? "nothing" : value.getClass().getSimpleName();
  }
}
