package io.netchannel.vdevice;

import com.google.common.collect.ImmutableList;

/**
 * Nodes of a backend that are ours, what a restarted daemon needs to go on; those that every kind
 * of device has. See README.
 */
public final class DeviceDetail {
  /** The device source: "file:/dev/vdb". */
  public static final String PARAMS = "params";

  /** The domain's name. */
  public static final String DOMAIN = "domain";

  /** The domain's UUID. */
  public static final String UUID = "uuid";

  /** The generation of the device that this backend may use. */
  public static final String GENERATION = "generation";

  /** All of them. */
  public static final ImmutableList<String> ALL =
      ImmutableList.of(PARAMS, DOMAIN, UUID, GENERATION);

  private DeviceDetail() {}
}
