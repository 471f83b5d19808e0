package io.netchannel.libvirt;

import com.google.common.collect.ImmutableMap;
import java.io.IOException;
import java.io.StringReader;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import javax.xml.XMLConstants;
import javax.xml.parsers.DocumentBuilder;
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
import org.xml.sax.helpers.DefaultHandler;

/**
 * The Netchannel part of a domain's {@code <metadata>}, changed through {@code virsh metadata}.
 * Never for a hook: libvirtd waits for the hook, and virsh for libvirtd.
 *
 * <p>libvirt takes and gives the element without its namespace: {@code <devices><disk
 * .../></devices>}.
 */
public final class DomainMetadata {
  /** The attribute that names a pool. */
  static final String FOLLOW = "follow";

  /** The attribute that says what a guest that migrates sees of its USB device. */
  static final String MIGRATE = "migrate";

  static final String KEEP = "keep";
  static final String REPLUG = "replug";

  private static final String PREFIX = "netchannel";

  /** What virsh of libvirt 9.0 says when a domain has no such definition. */
  private static final List<String> NO_DEFINITION =
      List.of("domain is not running", "transient domains do not have any persistent config");

  /** Also when libvirt went away at that moment: virsh does not say why. */
  private static final String NO_DOMAIN = "failed to get domain";

  private static final Pattern SPACE = Pattern.compile("\\s+");

  /** Which of a domain's two definitions. */
  public enum Definition {
    /** The running domain: what a save or a migration carries. */
    LIVE,
    /** What the next start uses. */
    CONFIG;

    /** As virsh calls it. */
    public String word() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  private final String domain;
  private final Definition definition;
  private final Virsh virsh;

  /**
   * One of a domain's definitions, by {@code virsh}.
   *
   * @param domain its name or UUID
   */
  public DomainMetadata(String domain, Definition definition) {
    this(domain, definition, Virsh.local());
  }

  DomainMetadata(String domain, Definition definition, Virsh virsh) {
    this.domain = domain;
    this.definition = definition;
    this.virsh = virsh;
  }

  /**
   * Adds a disk, in place of one with the same target.
   *
   * @param follow the pool in which it follows its guest; empty for one that stays
   * @throws MetadataException when there is no such definition, or libvirt cannot be asked
   */
  public void put(String target, String source, boolean readOnly, Optional<String> follow)
      throws MetadataException {
    put(
        DeviceId.disk(target),
        disk -> {
          DiskSource.set(disk, source);
          if (readOnly) {
            disk.setAttribute("readonly", "yes");
          }
          follow.ifPresent(pool -> disk.setAttribute(FOLLOW, pool));
        });
  }

  /**
   * Adds a USB port, in place of one with the same number.
   *
   * @param replugs as of {@link DomainDevices.Usb}
   * @throws MetadataException as for a disk
   */
  public void putUsb(int port, String source, boolean replugs) throws MetadataException {
    put(
        DeviceId.usb(port),
        usb -> {
          usb.setAttribute(DiskSource.SOURCE, source);
          if (replugs) {
            usb.setAttribute(MIGRATE, REPLUG);
          }
        });
  }

  private void put(DeviceId id, Consumer<Element> content) throws MetadataException {
    Document document = read();
    drop(document, id);
    Element element = document.createElement(id.element());
    element.setAttribute(id.attribute(), id.value());
    content.accept(element);
    document.getDocumentElement().appendChild(element);
    write(document);
  }

  /**
   * Removes a device; false when the definition does not name it.
   *
   * @throws MetadataException as {@link #put}
   */
  public boolean remove(DeviceId id) throws MetadataException {
    Document document = read();
    if (!drop(document, id)) {
      return false;
    }
    write(document);
    return true;
  }

  /**
   * Makes a device's {@code oldSource} its {@code newSource}, and changes nothing else. May be
   * repeated.
   *
   * @param target "xvdb", "usb1"
   * @return true when it names the new one now, also when it did before; false when it does not
   *     name this device, or the domain has no such definition: it does not run, is not persistent,
   *     or has gone
   * @throws OtherSourceException when it names a third source: nothing was changed
   * @throws MetadataException when libvirt cannot be asked
   */
  public boolean changeSource(String target, String oldSource, String newSource)
      throws MetadataException {
    Virsh.Answer answer = metadata();
    if (isMissing(answer)) {
      return false;
    }
    Document document = document(answer);
    List<Element> named = devices(document, DeviceId.of(target));
    boolean changed = false;
    for (Element device : named) {
      String source = DiskSource.of(device);
      if (source.equals(oldSource)) {
        DiskSource.set(device, newSource);
        changed = true;
      } else if (!source.equals(newSource)) {
        throw new OtherSourceException(target, oldSource, source);
      }
    }
    if (changed) {
      write(document);
    }
    return !named.isEmpty();
  }

  /**
   * The disks that follow their guest, by target, each with the pool.
   *
   * @return none as well when there is no such definition, or no such domain
   * @throws MetadataException when libvirt cannot be asked
   */
  public ImmutableMap<String, String> follows() throws MetadataException {
    Virsh.Answer answer = metadata();
    if (isMissing(answer)) {
      return ImmutableMap.of();
    }
    ImmutableMap.Builder<String, String> follows = ImmutableMap.builder();
    for (Element disk : devices(document(answer), element -> !pool(element).isEmpty())) {
      follows.put(disk.getAttribute(DeviceId.TARGET), pool(disk));
    }
    return follows.buildKeepingLast();
  }

  private static String pool(Element disk) {
    return disk.getAttribute(FOLLOW).strip();
  }

  /** Whether virsh has said that there is no such definition, or no such domain. */
  private boolean isMissing(Virsh.Answer answer) throws MetadataException {
    if (answer.done()) {
      return false;
    }
    if (NO_DEFINITION.stream().anyMatch(answer.text()::contains)) {
      return true;
    }
    if (!answer.text().contains(NO_DOMAIN)) {
      return false;
    }
    Virsh.Answer all = virsh.call(List.of("list", "--all", "--uuid", "--name"));
    return all.done() && SPACE.splitAsStream(all.text()).noneMatch(domain::equals);
  }

  /** Removes the elements of this device. */
  private static boolean drop(Document document, DeviceId id) {
    List<Element> devices = devices(document, id);
    devices.forEach(document.getDocumentElement()::removeChild);
    return !devices.isEmpty();
  }

  /** One; none; or several, which a start refuses. */
  private static List<Element> devices(Document document, DeviceId id) {
    return devices(document, element -> element.getAttribute(id.attribute()).equals(id.value()));
  }

  private static List<Element> devices(Document document, Predicate<Element> which) {
    List<Element> devices = new ArrayList<>();
    for (Node node = document.getDocumentElement().getFirstChild();
        node != null;
        node = node.getNextSibling()) {
      if (node instanceof Element element && which.test(element)) {
        devices.add(element);
      }
    }
    return devices;
  }

  private static Document parse(String xml) throws MetadataException {
    try {
      DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
      factory.setFeature(XMLConstants.FEATURE_SECURE_PROCESSING, true);
      factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
      DocumentBuilder builder = factory.newDocumentBuilder();
      builder.setErrorHandler(new DefaultHandler()); // throws; the default one prints to stderr
      return builder.parse(new InputSource(new StringReader(xml)));
    } catch (ParserConfigurationException | SAXException | IOException e) {
      throw new MetadataException("libvirt gave metadata that is not XML: " + xml, e);
    }
  }

  private static String text(Document document) throws MetadataException {
    try {
      Transformer transformer = TransformerFactory.newInstance().newTransformer();
      transformer.setOutputProperty(OutputKeys.OMIT_XML_DECLARATION, "yes");
      StringWriter text = new StringWriter();
      transformer.transform(new DOMSource(document.getDocumentElement()), new StreamResult(text));
      return text.toString();
    } catch (TransformerException e) {
      throw new MetadataException("cannot write the metadata: " + e.getMessage(), e);
    }
  }

  private Document read() throws MetadataException {
    return document(metadata());
  }

  private Document document(Virsh.Answer answer) throws MetadataException {
    if (answer.done()) {
      return parse(answer.text());
    }
    if (answer.text().contains("metadata not found")) {
      return parse("<devices/>");
    }
    throw failed("read", answer);
  }

  private void write(Document document) throws MetadataException {
    Virsh.Answer answer = metadata("--key", PREFIX, "--set", text(document));
    if (!answer.done()) {
      throw failed("change", answer);
    }
  }

  private MetadataException failed(String what, Virsh.Answer answer) {
    return new MetadataException(
        "cannot %s the %s metadata of domain %s: virsh says: %s"
            .formatted(what, definition.word(), domain, answer.text()));
  }

  private Virsh.Answer metadata(String... more) throws MetadataException {
    List<String> arguments = new ArrayList<>(List.of("metadata", domain));
    arguments.addAll(List.of("--uri", DomainXmlParser.NAMESPACE, "--" + definition.word()));
    arguments.addAll(List.of(more));
    return virsh.call(arguments);
  }
}
