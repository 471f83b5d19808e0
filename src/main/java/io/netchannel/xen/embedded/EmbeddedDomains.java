package io.netchannel.xen.embedded;

import io.netchannel.xen.Domains;

/** What the hypervisor says of its domains. Closing it changes nothing: there is no handle. */
final class EmbeddedDomains implements Domains {
  private final EmbeddedHypervisor hypervisor;

  EmbeddedDomains(EmbeddedHypervisor hypervisor) {
    this.hypervisor = hypervisor;
  }

  @Override
  public boolean canTell() {
    return true;
  }

  @Override
  public State state(int domid) {
    return hypervisor.find(domid).map(domain -> state(domain.state())).orElse(State.UNKNOWN);
  }

  private static State state(EmbeddedDomain.State state) {
    return switch (state) {
      case CREATED, RUNNING -> State.RUNNING;
      case SUSPENDED -> State.SUSPENDED;
      case DESTROYED -> State.ENDED;
    };
  }

  @Override
  public void close() {}
}
