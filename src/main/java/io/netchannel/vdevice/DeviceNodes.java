package io.netchannel.vdevice;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.XenStoreOperations;
import io.netchannel.xen.XenStorePermission;
import io.netchannel.xen.XenStorePermission.Access;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * The xenstore nodes of virtual devices, made and removed as libxl does it for its own: both ends
 * in one transaction, each owned by its domain and readable by the other (libxl_device.c,
 * libxl__device_generic_add).
 *
 * <p>Needs no {@link XenbusBackend}: nodes are published from a watch, before anything serves them.
 * Until then the backend is Initialising, and the frontend waits.
 */
public final class DeviceNodes {

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

  static final String STATE = "/state";
  static final String ONLINE = "/online";
  private static final String FRONTEND = "/frontend";
  private static final String BACKEND = "/backend";

  private DeviceNodes() {}

  /**
   * Makes a new device: frontend and backend nodes, replacing what is left of an older one.
   * Harmless when they are there already.
   *
   * @param backend further nodes of the backend: details, and what a frontend reads at once
   * @param frontend further nodes of the frontend
   */
  public static Outcome publish(
      XenStore store,
      DeviceAddress address,
      Map<String, String> backend,
      Map<String, String> frontend) {
    return store.transaction(
        nodes -> {
          if (!nodes.exists(domainPath(address))) {
            return Outcome.NO_DOMAIN;
          }
          if (pointsAtUs(nodes, address)) {
            return Outcome.ALREADY;
          }
          String path = address.frontendPath();
          Optional<String> other = nodes.read(path + BACKEND);
          if (other.isPresent() && nodes.exists(other.get() + FRONTEND)) {
            return Outcome.TAKEN;
          }
          nodes.remove(path);
          nodes.mkdir(path);
          nodes.setPermissions(path, permissions(address.domid(), address.backendDomid()));
          writeBackend(nodes, address, backend);
          frontend.forEach((name, value) -> nodes.write(path + "/" + name, value));
          pointAtUs(nodes, address);
          nodes.write(path + STATE, XenbusState.INITIALISING.text());
          return Outcome.PUBLISHED;
        });
  }

  /**
   * Points an existing frontend at a new backend of ours (source "inherit", and a device that
   * arrives with a migration). Only while the frontend is Initialising: later it has read which
   * backend it has. Remove the old backend first: blkback takes the rings of every frontend it
   * watches, whatever its "backend" node says.
   *
   * @param backend as for {@link #publish}
   */
  public static Outcome redirect(
      XenStore store, DeviceAddress address, Map<String, String> backend) {
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
          writeBackend(nodes, address, backend);
          pointAtUs(nodes, address);
          return Outcome.PUBLISHED;
        });
  }

  /**
   * Asks the frontend to let go of the device (hot unplug): the backend's state becomes Closing;
   * the device is {@link VirtualDevice.State#GONE} when the frontend has closed.
   */
  public static void requestClose(XenStore store, DeviceAddress address) {
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
  public static void remove(XenStore store, DeviceAddress address) {
    store.transaction(
        nodes -> {
          if (pointsAtUs(nodes, address)) {
            nodes.remove(address.frontendPath());
          }
          nodes.remove(address.backendPath());
          nodes.remove(address.errorPath());
          removeIfEmpty(nodes, parent(address.backendPath()));
          removeIfEmpty(nodes, parent(address.errorPath()));
          return true;
        });
  }

  /** All devices of {@code type} with a backend of ours in {@code backendDomid}. */
  public static ImmutableList<DeviceAddress> list(
      XenStoreOperations store, DeviceType type, int backendDomid) {
    ImmutableList.Builder<DeviceAddress> addresses = ImmutableList.builder();
    String root = DeviceAddress.backendRoot(type, backendDomid);
    for (String domid : store.directory(root)) {
      for (String devid : store.directory(root + "/" + domid)) {
        addresses.add(type.address(Integer.parseInt(domid), Integer.parseInt(devid), backendDomid));
      }
    }
    return addresses.build();
  }

  /** What {@link #publish} was given of the details of the device's type, as far as it is there. */
  public static ImmutableMap<String, String> details(
      XenStoreOperations store, DeviceAddress address) {
    ImmutableMap.Builder<String, String> details = ImmutableMap.builder();
    for (String name : address.type().details()) {
      store.read(address.backendPath() + "/" + name).ifPresent(value -> details.put(name, value));
    }
    return details.buildOrThrow();
  }

  /**
   * Changes one of the details.
   *
   * @return false when the backend is not there (any more); nothing is written then
   */
  public static boolean setDetail(
      XenStore store, DeviceAddress address, String name, String value) {
    return writeIfPublished(store, address, nodes -> nodes.write(path(address, name), value));
  }

  /** Writes below a backend that is still published: a node made alone would never be removed. */
  static boolean writeIfPublished(
      XenStore store, DeviceAddress address, Consumer<XenStoreOperations> writes) {
    return store.transaction(
        nodes -> {
          if (!nodes.exists(address.backendPath() + FRONTEND)) {
            return false;
          }
          writes.accept(nodes);
          return true;
        });
  }

  private static void writeBackend(
      XenStoreOperations nodes, DeviceAddress address, Map<String, String> further) {
    String backend = address.backendPath();
    nodes.remove(backend);
    nodes.mkdir(backend);
    nodes.setPermissions(backend, permissions(address.backendDomid(), address.domid()));
    nodes.write(backend + FRONTEND, address.frontendPath());
    nodes.write(backend + "/frontend-id", Integer.toString(address.domid()));
    nodes.write(backend + ONLINE, "1");
    further.forEach((name, value) -> nodes.write(path(address, name), value));
    nodes.write(backend + STATE, XenbusState.INITIALISING.text());
  }

  private static void pointAtUs(XenStoreOperations nodes, DeviceAddress address) {
    nodes.write(address.frontendPath() + BACKEND, address.backendPath());
    nodes.write(address.frontendPath() + "/backend-id", Integer.toString(address.backendDomid()));
  }

  private static boolean pointsAtUs(XenStoreOperations nodes, DeviceAddress address) {
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

  private static String domainPath(DeviceAddress address) {
    return "/local/domain/" + address.domid();
  }

  private static String path(DeviceAddress address, String name) {
    return address.backendPath() + "/" + name;
  }

  private static String parent(String path) {
    return path.substring(0, path.lastIndexOf('/'));
  }
}
