package io.netchannel.midpoint;

import java.util.UUID;

/**
 * Whose disk a mid-point serves.
 *
 * @param domainName for people
 * @param domain stays the same when the domain moves
 * @param domid the domain's id on this host
 * @param target the disk's name in the domain's XML: "xvdb"
 */
public record MidPointId(String domainName, UUID domain, int domid, String target) {
  @Override
  public String toString() {
    return domainName + "(" + domid + ")/" + target;
  }
}
