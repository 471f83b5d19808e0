package io.netchannel.libvirt;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.errorprone.annotations.FormatMethod;
import com.google.errorprone.annotations.FormatString;
import io.netchannel.libvirt.DomainDevices.Disk;
import io.netchannel.libvirt.DomainDevices.Usb;
import io.netchannel.net.MirrorSource;
import java.io.IOException;
import java.io.StringReader;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.UUID;
import java.util.regex.Pattern;
import javax.xml.XMLConstants;
import javax.xml.parsers.DocumentBuilder;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.w3c.dom.Attr;
import org.w3c.dom.Element;
import org.w3c.dom.NamedNodeMap;
import org.w3c.dom.Node;
import org.xml.sax.InputSource;
import org.xml.sax.SAXException;
import org.xml.sax.SAXParseException;
import org.xml.sax.helpers.DefaultHandler;

/**
 * Reads a domain's XML as libvirt writes it: who it is, its Netchannel devices from {@code
 * <metadata>}, its stock disks.
 *
 * <p>Elements are found by namespace: libvirt rewrites prefixes. The XML comes from whoever may
 * define domains, so no document type and no external entity is accepted.
 */
public final class DomainXmlParser {
  /** Namespace of our elements in {@code <metadata>}. */
  public static final String NAMESPACE = "https://netchannel.io/domain/1";

  /**
   * A namespace that is ours, or meant to be: any of our host's, whatever its scheme, case, port or
   * path. XML compares namespaces as text, so all but {@link #NAMESPACE} are others'.
   */
  private static final Pattern NEARLY_OURS =
      Pattern.compile(
          "\\s*([a-z][a-z0-9+.-]*:)?/*([^/?#@]*@)?(www\\.)?netchannel\\.io\\.?(:\\d*)?\\s*([/?#].*)?",
          Pattern.CASE_INSENSITIVE | Pattern.DOTALL);

  private static final Pattern TARGET = Pattern.compile("xvd[a-z]{1,4}");
  private static final Pattern USB_PORT = Pattern.compile("[1-9]\\d?");
  private static final Pattern PARTITION = Pattern.compile("xvd[a-z]{1,4}\\d+");
  private static final ImmutableSet<String> DISK_ATTRIBUTES =
      ImmutableSet.of(DeviceId.TARGET, DiskSource.SOURCE, "readonly", DomainMetadata.FOLLOW);

  private static final ImmutableSet<String> USB_ATTRIBUTES =
      ImmutableSet.of(DeviceId.PORT, DiskSource.SOURCE, DomainMetadata.MIGRATE);

  private static final ImmutableSet<String> LEG_ATTRIBUTES = ImmutableSet.of(DiskSource.SOURCE);

  /** Stock disks that can be redirected: libxl makes a vbd of them whose device we can open. */
  private static final ImmutableSet<String> INHERITABLE = ImmutableSet.of("block", "file");

  private DomainXmlParser() {}

  /**
   * What the XML says about the domain and its Netchannel devices; the lists are empty without any.
   *
   * @throws DomainXmlException when it is no domain, or its devices are not right
   */
  public static DomainDevices parse(String xml) throws DomainXmlException {
    Element domain = domain(xml);
    String name = text(domain, "name");
    Map<String, StockDisk> stock = stockDisks(domain);
    Map<String, Disk> disks = new LinkedHashMap<>();
    Map<Integer, Usb> usb = new LinkedHashMap<>();
    for (Element devices : netchannelDevices(domain, name)) {
      for (Element element : children(devices)) {
        switch (kind(element)) {
          case DeviceId.DISK -> {
            Disk disk = disk(name, element, stock);
            if (disks.put(disk.target(), disk) != null) {
              throw wrong(name, "target %s is given to two Netchannel disks", disk.target());
            }
          }
          case DeviceId.USB -> {
            Usb port = usb(name, element);
            if (usb.put(port.port(), port) != null) {
              throw wrong(name, "USB port %s is given to two devices", port.port());
            }
          }
          default ->
              throw wrong(
                  name,
                  "<%s> is unknown in Netchannel's <devices>; expected <disk target= source=> or"
                      + " <usb port= source=>",
                  element.getTagName());
        }
      }
    }
    return new DomainDevices(
        name,
        uuid(name, domain),
        domid(name, domain),
        ImmutableList.copyOf(disks.values()),
        ImmutableList.copyOf(usb.values()));
  }

  /**
   * The disks that libxl makes, in the order of the XML.
   *
   * @throws DomainXmlException when it is no domain
   */
  public static List<StockDisk> stockDisks(String xml) throws DomainXmlException {
    return ImmutableList.copyOf(stockDisks(domain(xml)).values());
  }

  private static Element domain(String xml) throws DomainXmlException {
    if (xml.isBlank()) {
      throw new DomainXmlException(
          "expected a domain's XML, found nothing: libvirt gives none to the migrate hook");
    }
    Element root;
    try {
      DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
      factory.setNamespaceAware(true);
      factory.setFeature(XMLConstants.FEATURE_SECURE_PROCESSING, true);
      factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
      factory.setXIncludeAware(false);
      factory.setExpandEntityReferences(false);
      DocumentBuilder builder = factory.newDocumentBuilder();
      builder.setErrorHandler(new DefaultHandler()); // throws; the default one prints to stderr
      root = builder.parse(new InputSource(new StringReader(xml))).getDocumentElement();
    } catch (SAXParseException e) {
      throw new DomainXmlException(
          "the domain's XML cannot be read at line %d, column %d: %s"
              .formatted(e.getLineNumber(), e.getColumnNumber(), e.getMessage()),
          e);
    } catch (SAXException | IOException e) {
      throw new DomainXmlException("the domain's XML cannot be read: " + e.getMessage(), e);
    } catch (ParserConfigurationException e) {
      throw new IllegalStateException("this Java has no secure XML parser", e);
    }
    if (!root.getTagName().equals("domain")) {
      throw new DomainXmlException(
          "expected a domain's XML, found <%s>".formatted(root.getTagName()));
    }
    if (text(root, "name").isEmpty()) {
      throw new DomainXmlException("the domain's XML has no <name>");
    }
    return root;
  }

  private static UUID uuid(String name, Element domain) throws DomainXmlException {
    String uuid = text(domain, "uuid");
    try {
      return UUID.fromString(uuid);
    } catch (IllegalArgumentException e) {
      throw new DomainXmlException(
          "domain %s: <uuid>%s</uuid> is no UUID".formatted(name, uuid), e);
    }
  }

  private static OptionalInt domid(String name, Element domain) throws DomainXmlException {
    String id = domain.getAttribute("id");
    if (id.isEmpty()) {
      return OptionalInt.empty();
    }
    try {
      int domid = Integer.parseInt(id);
      return domid < 0 ? OptionalInt.empty() : OptionalInt.of(domid); // libvirt: -1 is not running
    } catch (NumberFormatException e) {
      throw new DomainXmlException(
          "domain %s: <domain id=\"%s\"> is no number".formatted(name, id), e);
    }
  }

  private static Map<String, StockDisk> stockDisks(Element domain) {
    Map<String, StockDisk> found = new LinkedHashMap<>();
    for (Element devices : children(domain, "devices")) {
      for (Element disk : children(devices, "disk")) {
        String target = attribute(disk, "target", "dev");
        String device = attribute(disk, "source", "dev");
        found.put(
            target,
            new StockDisk(
                target,
                disk.getAttribute("type"),
                device.isEmpty() ? attribute(disk, "source", "file") : device,
                !children(disk, "readonly").isEmpty()));
      }
    }
    return found;
  }

  private static List<Element> netchannelDevices(Element domain, String name)
      throws DomainXmlException {
    List<Element> found = new ArrayList<>();
    for (Element metadata : children(domain, "metadata")) {
      for (Element element : children(metadata)) {
        String namespace = element.getNamespaceURI();
        if (NAMESPACE.equals(namespace)) {
          if (!element.getLocalName().equals("devices")) {
            throw wrong(
                name, "<%s> is unknown in <metadata>; expected <devices>", element.getLocalName());
          }
          found.add(element);
        } else if (namespace != null && NEARLY_OURS.matcher(namespace).matches()) {
          // Misspelt, or a newer Netchannel's: to ignore it would start the guest without its
          // devices.
          throw wrong(
              name, "namespace \"%s\" is not known here; expected \"%s\"", namespace, NAMESPACE);
        }
      }
    }
    if (found.size() > 1) {
      throw wrong(name, "<devices> is there %d times; put all devices into one", found.size());
    }
    return found;
  }

  /** The name of an element of ours; another one's has none. */
  private static String kind(Element element) {
    return NAMESPACE.equals(element.getNamespaceURI()) ? element.getLocalName() : "";
  }

  private static Usb usb(String name, Element element) throws DomainXmlException {
    ImmutableMap<String, String> attributes = attributes(name, element, USB_ATTRIBUTES);
    String port = attributes.getOrDefault(DeviceId.PORT, "");
    if (!USB_PORT.matcher(port).matches() || Integer.parseInt(port) > Usb.MAX_PORT) {
      throw wrong(name, "<usb port=\"%s\">: expected a port from 1 to %d", port, Usb.MAX_PORT);
    }
    String source = attributes.getOrDefault(DiskSource.SOURCE, "");
    if (source.isEmpty()) {
      throw wrong(name, "USB port %s has no source=; e.g. source=\"usb:port=3-1.2\"", port);
    }
    if (!children(element).isEmpty()) {
      throw wrong(
          name,
          "USB port %s: <%s> is unknown in it; expected nothing",
          port,
          children(element).get(0).getTagName());
    }
    boolean replugs =
        switch (attributes.getOrDefault(DomainMetadata.MIGRATE, DomainMetadata.KEEP)) {
          case DomainMetadata.KEEP -> false;
          case DomainMetadata.REPLUG -> true;
          default ->
              throw wrong(
                  name,
                  "USB port %s: migrate=\"%s\" is neither \"keep\" nor \"replug\"",
                  port,
                  attributes.get(DomainMetadata.MIGRATE));
        };
    return new Usb(Integer.parseInt(port), source, replugs);
  }

  private static Disk disk(String name, Element element, Map<String, StockDisk> stock)
      throws DomainXmlException {
    ImmutableMap<String, String> attributes = attributes(name, element, DISK_ATTRIBUTES);
    String target = attributes.getOrDefault(DeviceId.TARGET, "");
    checkTarget(name, target);
    String source =
        legs(name, target, element, attributes)
            .orElseGet(() -> attributes.getOrDefault(DiskSource.SOURCE, ""));
    StockDisk inherited = stock.get(target);
    if (source.isBlank()) {
      throw wrong(name, "disk %s has no source=; e.g. source=\"file:/dev/vdb\"", target);
    }
    if (source.equals(Disk.INHERIT)) {
      checkInheritable(name, target, inherited, stock.keySet());
    } else if (inherited != null) {
      throw wrong(
          name, "target %s is also a <disk>; choose another target, or source=\"inherit\"", target);
    }
    boolean readOnly =
        switch (attributes.getOrDefault("readonly", "no")) {
          case "yes" -> true;
          case "no" -> inherited != null && inherited.readOnly();
          default ->
              throw wrong(
                  name,
                  "disk %s: readonly=\"%s\" is neither \"yes\" nor \"no\"",
                  target,
                  attributes.get("readonly"));
        };
    if (MirrorSource.is(source) && (readOnly || attributes.containsKey(DomainMetadata.FOLLOW))) {
      throw wrong(
          name,
          "disk %s has two legs: it is written to, and follows nobody; leave readonly= and follow="
              + " out",
          target);
    }
    return new Disk(target, source, readOnly, follow(name, target, source, readOnly, attributes));
  }

  /** The source of a disk with two legs; empty for one with a source of its own. */
  private static Optional<String> legs(
      String name, String target, Element disk, ImmutableMap<String, String> attributes)
      throws DomainXmlException {
    List<String> legs = new ArrayList<>();
    for (Element element : children(disk)) {
      if (!NAMESPACE.equals(element.getNamespaceURI())
          || !element.getLocalName().equals(DiskSource.LEG)) {
        throw wrong(
            name,
            "disk %s: <%s> is unknown in it; expected <leg source=>",
            target,
            element.getTagName());
      }
      legs.add(attributes(name, element, LEG_ATTRIBUTES).getOrDefault(DiskSource.SOURCE, ""));
    }
    if (legs.isEmpty()) {
      return Optional.empty();
    }
    boolean areLegs = legs.size() == DiskSource.LEGS && legs.stream().noneMatch(String::isEmpty);
    if (!areLegs || legs.get(0).equals(legs.get(1))) {
      throw wrong(
          name, "disk %s: expected two different legs, each with source=, found %s", target, legs);
    }
    if (attributes.containsKey(DiskSource.SOURCE)) {
      throw wrong(name, "disk %s has two legs and a source=; leave one of them out", target);
    }
    return Optional.of(MirrorSource.of(legs));
  }

  /**
   * A disk that nobody may write to cannot be told from its copy, and libxl's own stays libxl's.
   */
  private static Optional<String> follow(
      String name,
      String target,
      String source,
      boolean readOnly,
      ImmutableMap<String, String> attributes)
      throws DomainXmlException {
    String pool = attributes.get(DomainMetadata.FOLLOW);
    if (pool == null) {
      return Optional.empty();
    }
    if (pool.isEmpty()) {
      throw wrong(name, "disk %s: follow= names no pool; e.g. follow=\"fast\"", target);
    }
    if (readOnly || source.equals(Disk.INHERIT)) {
      throw wrong(
          name,
          "disk %s: follow=\"%s\" is for a disk of Netchannel's own that is written to; leave it"
              + " out",
          target,
          pool);
    }
    return Optional.of(pool);
  }

  private static void checkTarget(String name, String target) throws DomainXmlException {
    if (target.isEmpty()) {
      throw wrong(name, "a Netchannel <disk> has no target=; e.g. target=\"xvdb\"");
    }
    if (PARTITION.matcher(target).matches()) {
      throw wrong(name, "target %s is a partition; only whole disks can be served", target);
    }
    if (!TARGET.matcher(target).matches()) {
      throw wrong(name, "target %s is no Xen disk; expected xvda, xvdb, ...", target);
    }
  }

  private static void checkInheritable(
      String name, String target, StockDisk inherited, Set<String> targets)
      throws DomainXmlException {
    if (inherited == null) {
      throw wrong(
          name,
          "disk %s says source=\"inherit\", but no <disk> has that target; there are: %s",
          target,
          targets.isEmpty() ? "none" : String.join(", ", targets));
    }
    if (!INHERITABLE.contains(inherited.type()) || inherited.source().isEmpty()) {
      throw wrong(
          name,
          "disk %s says source=\"inherit\", but its <disk type=\"%s\"> is no block device or file",
          target,
          inherited.type());
    }
  }

  private static ImmutableMap<String, String> attributes(
      String name, Element element, ImmutableSet<String> known) throws DomainXmlException {
    ImmutableMap.Builder<String, String> found = ImmutableMap.builder();
    NamedNodeMap attributes = element.getAttributes();
    for (int i = 0; i < attributes.getLength(); i++) {
      Attr attribute = (Attr) attributes.item(i);
      if (XMLConstants.XMLNS_ATTRIBUTE_NS_URI.equals(attribute.getNamespaceURI())) {
        continue;
      }
      if (!known.contains(attribute.getName())) {
        throw wrong(
            name,
            "attribute %s of <%s> is unknown; known are %s",
            attribute.getName(),
            element.getLocalName(),
            String.join(", ", known));
      }
      found.put(attribute.getName(), attribute.getValue().strip());
    }
    return found.buildOrThrow();
  }

  @FormatMethod
  private static DomainXmlException wrong(
      String name, @FormatString String format, Object... values) {
    return new DomainXmlException("domain " + name + ": " + String.format(format, values));
  }

  private static List<Element> children(Element parent) {
    List<Element> found = new ArrayList<>();
    for (Node node = parent.getFirstChild(); node != null; node = node.getNextSibling()) {
      if (node instanceof Element element) {
        found.add(element);
      }
    }
    return found;
  }

  /** Children of libvirt's own, which has no namespace. */
  private static List<Element> children(Element parent, String tag) {
    return children(parent).stream().filter(child -> child.getTagName().equals(tag)).toList();
  }

  private static String text(Element parent, String tag) {
    List<Element> found = children(parent, tag);
    return found.isEmpty() ? "" : found.get(0).getTextContent().strip();
  }

  private static String attribute(Element parent, String tag, String attribute) {
    List<Element> found = children(parent, tag);
    return found.isEmpty() ? "" : found.get(0).getAttribute(attribute);
  }
}
