package io.netchannel.rehearsal.host;

import io.netchannel.libvirt.DomainXmlParser;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.UUID;

/**
 * A domain as {@code virsh define} knows it, with one Netchannel disk.
 *
 * @param target the guest's name for the disk: "xvdb"
 * @param source where its requests go: "delay:write=20ms!file:/srv/shared.raw"
 * @param follow the pool in which the disk follows its guest; empty when it stays
 */
public record DomainDefinition(
    String name, UUID uuid, String target, String source, Optional<String> follow) {

  /** One whose disk stays where it is. */
  public DomainDefinition(String name, UUID uuid, String target, String source) {
    this(name, uuid, target, source, Optional.empty());
  }

  /**
   * The XML on a hook's stdin.
   *
   * @param domid as libvirt gives it in "started", "stopped" and "release"
   */
  String xml(OptionalInt domid) {
    return """
    <domain type='xen'%s>
      <name>%s</name>
      <uuid>%s</uuid>
      <metadata>
        <netchannel:devices xmlns:netchannel="%s">
          <netchannel:disk target="%s" source="%s"%s/>
        </netchannel:devices>
      </metadata>
      <memory unit='KiB'>131072</memory>
      <os><type arch='x86_64' machine='xenpvh'>xenpvh</type></os>
    </domain>
    """
        .formatted(
            domid.isPresent() ? " id='" + domid.getAsInt() + "'" : "",
            name,
            uuid,
            DomainXmlParser.NAMESPACE,
            target,
            source,
            follow.map(" follow=\"%s\""::formatted).orElse(""));
  }
}
