package io.netchannel.vdevice.block;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import io.netchannel.vdevice.VirtualDevice;
import io.netchannel.vdevice.XenbusState;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.XenStoreOperations;
import io.netchannel.xen.XenStorePermission;
import io.netchannel.xen.XenStorePermission.Access;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * The xenstore nodes of virtual disks, made and removed as libxl does it for its own: both ends in
 * one transaction, each owned by its domain and readable by the other (libxl_device.c,
 * libxl__device_generic_add).
 *
 * <p>Needs no {@link Vbd}: nodes are published from a watch, before anything serves them. Until
 * then the backend is Initialising, and the frontend waits.
 */
public final class VbdNodes {

  /** What came of publishing. */
  public enum Outcome {
    PUBLISHED,
    /** The frontend points at this backend already. */
    ALREADY,
    /** There is no such domain in xenstore (any more). */
    NO_DOMAIN,
    /** {@link #publish}: the frontend belongs to another backend. */
    TAKEN,
    /** {@link #redirect}: there is no such frontend. */
    NO_FRONTEND,
    /** {@link #redirect}: the frontend is not Initialising any more: it talks to its backend. */
    TOO_LATE
  }

  /** Nodes of a backend that are ours, what a restarted daemon needs to go on; see README. */
  public static final class Detail {
    /** The device source: "file:/dev/vdb". */
    public static final String PARAMS = "params";

    /** The guest's name for the disk: "xvdb". */
    public static final String DEV = "dev";

    /** The domain's name. */
    public static final String DOMAIN = "domain";

    /** The domain's UUID. */
    public static final String UUID = "uuid";

    /** The generation of the device that this backend may use. */
    public static final String GENERATION = "generation";

    /** "r" or "w". */
    public static final String MODE = "mode";

    /** The device that becomes the disk, while it gets what it lacks; empty when there is none. */
    public static final String FOLLOWER = "follower";

    /** "1" when libxl made the disk, and the domain's XML names its device in a disk of its own. */
    public static final String INHERITED = "inherited";

    private static final List<String> ALL =
        ImmutableList.of(PARAMS, DEV, DOMAIN, UUID, GENERATION, MODE, INHERITED);

    private Detail() {}
  }

  static final String STATE = "/state";
  static final String ONLINE = "/online";
  private static final String FRONTEND = "/frontend";
  private static final String BACKEND = "/backend";

  private VbdNodes() {}

  /**
   * Makes a new disk: frontend and backend nodes, replacing what is left of an older one. Harmless
   * when they are there already.
   *
   * @param details by the names of {@link Detail}
   */
  public static Outcome publish(
      XenStore store, VbdAddress address, Map<String, String> details, VbdLimits limits) {
    return store.transaction(
        nodes -> {
          if (!nodes.exists(domainPath(address))) {
            return Outcome.NO_DOMAIN;
          }
          if (pointsAtUs(nodes, address)) {
            return Outcome.ALREADY;
          }
          String frontend = address.frontendPath();
          Optional<String> other = nodes.read(frontend + BACKEND);
          if (other.isPresent() && nodes.exists(other.get() + FRONTEND)) {
            return Outcome.TAKEN;
          }
          nodes.remove(frontend);
          nodes.mkdir(frontend);
          nodes.setPermissions(frontend, permissions(address.domid(), address.backendDomid()));
          writeBackend(nodes, address, details, limits);
          nodes.write(frontend + "/virtual-device", Integer.toString(address.devid()));
          nodes.write(frontend + "/device-type", "disk");
          pointAtUs(nodes, address);
          nodes.write(frontend + STATE, XenbusState.INITIALISING.text());
          return Outcome.PUBLISHED;
        });
  }

  /**
   * Points an existing frontend at a new backend of ours (source "inherit", and a disk that arrives
   * with a migration). Only while the frontend is Initialising: later it has read which backend it
   * has. Remove the old backend first: blkback takes the rings of every frontend it watches,
   * whatever its "backend" node says.
   */
  public static Outcome redirect(
      XenStore store, VbdAddress address, Map<String, String> details, VbdLimits limits) {
    return store.transaction(
        nodes -> {
          if (!nodes.exists(domainPath(address))) {
            return Outcome.NO_DOMAIN;
          }
          Optional<String> state = nodes.read(address.frontendPath() + STATE);
          if (state.isEmpty()) {
            return Outcome.NO_FRONTEND;
          }
          if (pointsAtUs(nodes, address)) {
            return Outcome.ALREADY;
          }
          if (XenbusState.parse(state.get()) != XenbusState.INITIALISING) {
            return Outcome.TOO_LATE;
          }
          writeBackend(nodes, address, details, limits);
          pointAtUs(nodes, address);
          return Outcome.PUBLISHED;
        });
  }

  /**
   * Asks the frontend to let go of the disk (hot unplug): the backend's state becomes Closing; the
   * disk is {@link VirtualDevice.State#GONE} when the frontend has closed.
   */
  public static void requestClose(XenStore store, VbdAddress address) {
    store.transaction(
        nodes -> {
          if (nodes.exists(address.backendPath() + FRONTEND)) {
            nodes.write(address.backendPath() + ONLINE, "0");
            nodes.write(address.backendPath() + STATE, XenbusState.CLOSING.text());
          }
          return true;
        });
  }

  /**
   * Removes backend, its error node, the directory of the domain above it when it is empty, and the
   * frontend unless it points at another backend by now. Idempotent.
   */
  public static void remove(XenStore store, VbdAddress address) {
    store.transaction(
        nodes -> {
          if (pointsAtUs(nodes, address)) {
            nodes.remove(address.frontendPath());
          }
          nodes.remove(address.backendPath());
          nodes.remove(errorPath(address));
          removeIfEmpty(nodes, parent(address.backendPath()));
          removeIfEmpty(nodes, parent(errorPath(address)));
          return true;
        });
  }

  /** All disks with a backend of ours in {@code backendDomid}. */
  public static ImmutableList<VbdAddress> list(XenStoreOperations store, int backendDomid) {
    ImmutableList.Builder<VbdAddress> addresses = ImmutableList.builder();
    String root = parent(parent(new VbdAddress(0, 0, backendDomid).backendPath()));
    for (String domid : store.directory(root)) {
      for (String devid : store.directory(root + "/" + domid)) {
        addresses.add(
            new VbdAddress(Integer.parseInt(domid), Integer.parseInt(devid), backendDomid));
      }
    }
    return addresses.build();
  }

  /** What {@link #publish} was given, as far as it is there. */
  public static ImmutableMap<String, String> details(XenStoreOperations store, VbdAddress address) {
    ImmutableMap.Builder<String, String> details = ImmutableMap.builder();
    for (String name : Detail.ALL) {
      store.read(address.backendPath() + "/" + name).ifPresent(value -> details.put(name, value));
    }
    return details.buildOrThrow();
  }

  /**
   * Changes one of the details.
   *
   * @return false when the backend is not there (any more); nothing is written then
   */
  public static boolean setDetail(XenStore store, VbdAddress address, String name, String value) {
    return writeIfPublished(store, address, nodes -> nodes.write(path(address, name), value));
  }

  /** Writes below a backend that is still published: a node made alone would never be removed. */
  static boolean writeIfPublished(
      XenStore store, VbdAddress address, Consumer<XenStoreOperations> writes) {
    return store.transaction(
        nodes -> {
          if (!nodes.exists(address.backendPath() + FRONTEND)) {
            return false;
          }
          writes.accept(nodes);
          return true;
        });
  }

  /** Where a backend reports an error, as xenbus_dev_error of Linux. */
  static String errorPath(VbdAddress address) {
    String home = "/local/domain/" + address.backendDomid();
    return home + "/error" + address.backendPath().substring(home.length());
  }

  private static void writeBackend(
      XenStoreOperations nodes, VbdAddress address, Map<String, String> details, VbdLimits limits) {
    String backend = address.backendPath();
    nodes.remove(backend);
    nodes.mkdir(backend);
    nodes.setPermissions(backend, permissions(address.backendDomid(), address.domid()));
    nodes.write(backend + FRONTEND, address.frontendPath());
    nodes.write(backend + "/frontend-id", Integer.toString(address.domid()));
    nodes.write(backend + ONLINE, "1");
    nodes.write(backend + "/removable", "0");
    details.forEach((name, value) -> nodes.write(path(address, name), value));
    VbdFeatures.writeLimits(nodes, backend, limits);
    nodes.write(backend + STATE, XenbusState.INITIALISING.text());
  }

  private static void pointAtUs(XenStoreOperations nodes, VbdAddress address) {
    nodes.write(address.frontendPath() + BACKEND, address.backendPath());
    nodes.write(address.frontendPath() + "/backend-id", Integer.toString(address.backendDomid()));
  }

  private static boolean pointsAtUs(XenStoreOperations nodes, VbdAddress address) {
    return nodes.read(address.frontendPath() + BACKEND).equals(Optional.of(address.backendPath()))
        && nodes.exists(address.backendPath() + FRONTEND);
  }

  /** The owner may do all, the other end may read, nobody else anything. */
  private static List<XenStorePermission> permissions(int owner, int reader) {
    return ImmutableList.of(
        new XenStorePermission(owner, Access.NONE), new XenStorePermission(reader, Access.READ));
  }

  private static void removeIfEmpty(XenStoreOperations nodes, String path) {
    if (nodes.directory(path).isEmpty()) {
      nodes.remove(path);
    }
  }

  private static String domainPath(VbdAddress address) {
    return "/local/domain/" + address.domid();
  }

  private static String path(VbdAddress address, String name) {
    return address.backendPath() + "/" + name;
  }

  private static String parent(String path) {
    return path.substring(0, path.lastIndexOf('/'));
  }
}
