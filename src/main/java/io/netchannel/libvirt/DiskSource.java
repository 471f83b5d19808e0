package io.netchannel.libvirt;

import io.netchannel.net.MirrorSource;
import java.util.ArrayList;
import java.util.List;
import org.w3c.dom.Element;
import org.w3c.dom.Node;

/**
 * How a {@code <netchannel:disk>} names its source: by an attribute, or by two elements {@code
 * <netchannel:leg source=>} of a disk with two legs, whose source is a {@link MirrorSource}.
 */
final class DiskSource {
  static final String SOURCE = "source";
  static final String LEG = "leg";
  static final int LEGS = 2;

  private DiskSource() {}

  /** What an element says, whatever it is. */
  static String of(Element disk) {
    List<Element> legs = legs(disk);
    return disk.hasAttribute(SOURCE) || legs.isEmpty()
        ? disk.getAttribute(SOURCE)
        : MirrorSource.of(legs.stream().map(leg -> leg.getAttribute(SOURCE).strip()).toList());
  }

  /** Makes an element say something else. */
  static void set(Element disk, String source) {
    if (!disk.hasAttribute(SOURCE)) {
      legs(disk).forEach(disk::removeChild);
    }
    if (!MirrorSource.is(source)) {
      disk.setAttribute(SOURCE, source);
      return;
    }
    disk.removeAttribute(SOURCE);
    for (String leg : MirrorSource.legs(source)) {
      // Where the disk has a namespace, its legs have it too.
      Element element =
          disk.getNamespaceURI() == null
              ? disk.getOwnerDocument().createElement(LEG)
              : disk.getOwnerDocument().createElementNS(disk.getNamespaceURI(), prefix(disk) + LEG);
      element.setAttribute(SOURCE, leg);
      disk.appendChild(element);
    }
  }

  private static String prefix(Element disk) {
    return disk.getPrefix() == null ? "" : disk.getPrefix() + ":";
  }

  private static List<Element> legs(Element disk) {
    List<Element> found = new ArrayList<>();
    for (Node node = disk.getFirstChild(); node != null; node = node.getNextSibling()) {
      if (node instanceof Element element && LEG.equals(localName(element))) {
        found.add(element);
      }
    }
    return found;
  }

  /** Of a document that was read without a look at namespaces, too. */
  private static String localName(Element element) {
    return element.getLocalName() == null ? element.getTagName() : element.getLocalName();
  }
}
