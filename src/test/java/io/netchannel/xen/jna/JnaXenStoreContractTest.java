package io.netchannel.xen.jna;

import io.netchannel.xen.StoreHost;
import io.netchannel.xen.XenStoreContractTest;

/**
 * The contract on the real xenstored 4.17: domain 0 through libxenstore, guests over their rings.
 */
class JnaXenStoreContractTest extends XenStoreContractTest {
  @Override
  protected StoreHost startHost() {
    return RealXenStored.start();
  }
}
