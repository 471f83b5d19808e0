package io.netchannel.rehearsal.host;

import io.netchannel.xen.XenStore;
import io.netchannel.xen.XenStorePermission;
import io.netchannel.xen.XenStorePermission.Access;
import io.netchannel.xen.embedded.EmbeddedDomain;
import io.netchannel.xen.embedded.EmbeddedHypervisor;
import java.util.List;

/** What libxl does to a host for a domain, as far as devices can see it (libxl_create.c). */
final class Libxl {
  private final EmbeddedHypervisor hypervisor;
  private final XenStore store;

  Libxl(EmbeddedHypervisor hypervisor) {
    this.hypervisor = hypervisor;
    store = hypervisor.xenStore(0);
  }

  /** A paused domain with its directory in xenstore: vm, name and an empty device/, in one go. */
  EmbeddedDomain create(DomainDefinition definition) {
    EmbeddedDomain domain = hypervisor.createDomain();
    String path = path(domain);
    store.transaction(
        nodes -> {
          nodes.mkdir(path);
          nodes.setPermissions(
              path,
              List.of(
                  new XenStorePermission(0, Access.NONE),
                  new XenStorePermission(domain.domid(), Access.READ)));
          nodes.write(path + "/vm", vm(definition));
          nodes.write(path + "/name", definition.name());
          nodes.mkdir(path + "/device");
          nodes.mkdir(path + "/control");
          nodes.write(path + "/control/shutdown", "");
          nodes.setPermissions(
              path + "/control/shutdown",
              List.of(new XenStorePermission(domain.domid(), Access.NONE)));
          nodes.write(vm(definition) + "/uuid", definition.uuid().toString());
          return true;
        });
    domain.introduce();
    return domain;
  }

  /** Asks the guest to suspend itself; its kernel clears the node when it begins to. */
  void requestSuspend(EmbeddedDomain domain) {
    store.write(path(domain) + "/control/shutdown", "suspend");
    try (XenStore guest = domain.xenStore()) {
      guest.write(path(domain) + "/control/shutdown", "");
    }
  }

  /** Destroys the domain and removes its directory. */
  void destroy(EmbeddedDomain domain, DomainDefinition definition) {
    domain.destroy();
    store.transaction(
        nodes -> {
          nodes.remove(path(domain));
          nodes.remove(vm(definition));
          return true;
        });
  }

  /** What is left in xenstore of devices that are not libxl's. */
  List<String> backends() {
    return store.directory("/local/domain/0/backend/netchannel");
  }

  private static String path(EmbeddedDomain domain) {
    return "/local/domain/" + domain.domid();
  }

  private static String vm(DomainDefinition definition) {
    return "/vm/" + definition.uuid();
  }
}
