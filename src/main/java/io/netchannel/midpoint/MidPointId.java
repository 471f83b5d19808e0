package io.netchannel.midpoint;

import java.util.UUID;

/**
 * Whose device a mid-point serves.
 *
 * @param domainName for people
 * @param domain stays the same when the domain moves
 * @param domid the domain's id on this host
 * @param target the device's name in the domain: of a disk "xvdb", as its XML has it
 */
public record MidPointId(String domainName, UUID domain, int domid, String target) {
  @Override
  public String toString() {
    return domainName + "(" + domid + ")/" + target;
  }
}
