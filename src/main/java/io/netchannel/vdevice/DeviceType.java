package io.netchannel.vdevice;

import com.google.common.collect.ImmutableList;

/**
 * A kind of virtual devices as xenstore names it.
 *
 * @param frontend the type that the guest's driver asks for: "vbd"
 * @param backend a type of our own, which no kernel's backend takes: "netchannel"
 * @param details names of the nodes by which a restarted daemon knows a backend of this type again
 *     ({@link DeviceDetail}, and those of the kind)
 */
public record DeviceType(String frontend, String backend, ImmutableList<String> details) {

  /**
   * One device of this type.
   *
   * @param devid the number of its nodes
   */
  public DeviceAddress address(int domid, int devid, int backendDomid) {
    return new DeviceAddress(this, domid, devid, backendDomid);
  }

  @Override
  public String toString() {
    return frontend;
  }
}
