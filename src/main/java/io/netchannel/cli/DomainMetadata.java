package io.netchannel.cli;

import java.io.IOException;
import java.io.StringReader;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import javax.xml.XMLConstants;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import javax.xml.transform.OutputKeys;
import javax.xml.transform.Transformer;
import javax.xml.transform.TransformerException;
import javax.xml.transform.TransformerFactory;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.Node;
import org.xml.sax.InputSource;
import org.xml.sax.SAXException;

/**
 * The Netchannel part of a domain's {@code <metadata>}, changed through {@code virsh metadata}:
 * virsh is on every host with libvirt, and a process of its own costs less start time than
 * libvirt's binding.
 *
 * <p>libvirt takes and gives the element without its namespace: {@code <devices><disk
 * .../></devices>}.
 */
final class DomainMetadata {
  static final String NAMESPACE = "https://netchannel.io/domain/1";
  private static final String PREFIX = "netchannel";

  /** virsh waits for a domain's job lock; longer than that is a stuck libvirtd. */
  private static final int VIRSH_BOUND_SECONDS = 60;

  /** Which of a domain's two definitions. */
  enum Definition {
    /** The running domain: what a save or a migration carries. */
    LIVE,
    /** What the next start uses. */
    CONFIG;

    private String option() {
      return "--" + name().toLowerCase(Locale.ROOT);
    }
  }

  private final String domain;
  private final Definition definition;

  DomainMetadata(String domain, Definition definition) {
    this.domain = domain;
    this.definition = definition;
  }

  /** Adds a disk, in place of one with the same target. */
  void put(String target, String source, boolean readOnly) throws CommandFailedException {
    Document document = read();
    drop(document, target);
    Element disk = document.createElement("disk");
    disk.setAttribute("target", target);
    disk.setAttribute("source", source);
    if (readOnly) {
      disk.setAttribute("readonly", "yes");
    }
    document.getDocumentElement().appendChild(disk);
    write(document);
  }

  /** Removes a disk; false when the definition does not name it. */
  boolean remove(String target) throws CommandFailedException {
    Document document = read();
    if (!drop(document, target)) {
      return false;
    }
    write(document);
    return true;
  }

  /** Removes the disk elements with this target. */
  static boolean drop(Document document, String target) {
    boolean found = false;
    Node next;
    for (Node node = document.getDocumentElement().getFirstChild(); node != null; node = next) {
      next = node.getNextSibling();
      if (node instanceof Element element && element.getAttribute("target").equals(target)) {
        document.getDocumentElement().removeChild(element);
        found = true;
      }
    }
    return found;
  }

  static Document parse(String xml) throws CommandFailedException {
    try {
      DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
      factory.setFeature(XMLConstants.FEATURE_SECURE_PROCESSING, true);
      factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
      return factory.newDocumentBuilder().parse(new InputSource(new StringReader(xml)));
    } catch (ParserConfigurationException | SAXException | IOException e) {
      throw new CommandFailedException("libvirt gave metadata that is not XML: " + xml, e);
    }
  }

  static String text(Document document) throws CommandFailedException {
    try {
      Transformer transformer = TransformerFactory.newInstance().newTransformer();
      transformer.setOutputProperty(OutputKeys.OMIT_XML_DECLARATION, "yes");
      StringWriter text = new StringWriter();
      transformer.transform(new DOMSource(document.getDocumentElement()), new StreamResult(text));
      return text.toString();
    } catch (TransformerException e) {
      throw new CommandFailedException("cannot write the metadata: " + e.getMessage(), e);
    }
  }

  private Document read() throws CommandFailedException {
    Output output = virsh();
    if (output.exitCode == 0) {
      return parse(output.text.strip());
    }
    if (output.text.contains("metadata not found")) {
      return parse("<devices/>");
    }
    throw failed("read", output);
  }

  private void write(Document document) throws CommandFailedException {
    Output output = virsh("--key", PREFIX, "--set", text(document));
    if (output.exitCode != 0) {
      throw failed("change", output);
    }
  }

  private CommandFailedException failed(String what, Output output) {
    return new CommandFailedException(
        "cannot %s the %s metadata of domain %s: virsh says: %s"
            .formatted(
                what, definition.name().toLowerCase(Locale.ROOT), domain, output.text.strip()));
  }

  private Output virsh(String... more) throws CommandFailedException {
    List<String> command = new ArrayList<>();
    command.addAll(List.of("virsh", "-c", "xen:///system", "metadata", domain));
    command.addAll(List.of("--uri", NAMESPACE, definition.option()));
    command.addAll(List.of(more));
    try {
      ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
      builder.environment().put("LC_ALL", "C.UTF-8");
      Process process = builder.start();
      process.getOutputStream().close();
      String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      if (!process.waitFor(VIRSH_BOUND_SECONDS, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        throw new CommandFailedException("virsh does not answer: is libvirtd stuck?");
      }
      return new Output(process.exitValue(), text);
    } catch (IOException e) {
      throw new CommandFailedException(
          "cannot run virsh (%s): install libvirt-clients".formatted(e.getMessage()), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CommandFailedException("interrupted", e);
    }
  }

  private record Output(int exitCode, String text) {}
}
