package io.netchannel.libvirt;

import java.util.UUID;

/** Something happened to a domain (virDomainEventType of libvirt-domain.h). */
public record DomainEvent(String domain, UUID uuid, Kind kind) {

  /** What happened. */
  public enum Kind {
    DEFINED,
    UNDEFINED,
    STARTED,
    SUSPENDED,
    RESUMED,
    STOPPED,
    SHUTDOWN,
    PMSUSPENDED,
    CRASHED,
    /** Something a newer libvirt knows. */
    OTHER
  }
}
