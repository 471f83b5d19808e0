package io.netchannel.xen.embedded;

import io.netchannel.xen.StoreHost;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.XenStoreContractTest;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

class EmbeddedXenStoreContractTest extends XenStoreContractTest {
  @Override
  protected StoreHost startHost() {
    return new EmbeddedHost();
  }

  private static final class EmbeddedHost implements StoreHost {
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final EmbeddedHypervisor hypervisor = new EmbeddedHypervisor(threads);

    @Override
    public XenStore connect(int domid) {
      return hypervisor.xenStore(domid);
    }

    @Override
    public int createDomain() {
      return hypervisor.createDomain().domid();
    }

    @Override
    public void introduce(int domid) {
      hypervisor.domain(domid).unpause();
    }

    @Override
    public void destroyDomain(int domid) {
      hypervisor.domain(domid).destroy();
    }

    @Override
    public void close() {
      threads.shutdownNow();
    }
  }
}
