package io.netchannel.coordinator;

import java.util.UUID;

/**
 * What a domain's life on this host means for migrations: called for hooks, by the daemon. Every
 * method is bounded in time. A {@link MigrationRefusedException} carries the plain words for the
 * user.
 */
public interface MigrationHooks {

  /**
   * PREPARE: hook "migrate begin" at the destination; only the name is known. Asks the peers. Does
   * nothing for a domain that no peer serves.
   */
  void incomingAnnounced(String domainName) throws MigrationRefusedException;

  /**
   * Whether a domain that is about to be made here ("start begin") comes by a migration that was
   * announced.
   *
   * @param hasDisks its XML names Netchannel devices: a start of a domain which still has its
   *     devices at a peer is refused
   * @param hasStockDisks its XML has disks of other backends: it may only come from a source that
   *     looks after them, see {@link StockDiskPolicy}
   */
  boolean incomingStarts(String domainName, UUID domain, boolean hasDisks, boolean hasStockDisks)
      throws MigrationRefusedException;

  /** Whether the journal knows of a migration that brings this domain here and is not finished. */
  boolean isIncoming(UUID domain);

  /**
   * SEAL to REDIRECT: hook "started begin" of an incoming domain, restored and paused. On return
   * the guest may run. On an exception everything is as before and the source goes on.
   *
   * @param domid its id on this host
   * @param arrived asked before the journal says that the guest may run: what refuses then ends the
   *     migration as every other failure does
   */
  void incomingRestored(UUID domain, int domid, Arrived arrived) throws MigrationRefusedException;

  /** What its caller knows of a domain that was restored; each says why not. */
  interface Arrived {
    /** Whether every disk can be taken over: asked before anything is. */
    void checkPlaced() throws MigrationRefusedException;

    /** Whether every disk is served: asked when all that came were taken over. */
    void checkReady() throws MigrationRefusedException;
  }

  /**
   * A domain has ended here (hook "stopped"/"release", or its nodes went). For an incoming one this
   * is ABORT: what was taken over is given back. For an outgoing one whose devices were taken over
   * by the destination it is COMMIT. Idempotent: libvirt calls it twice for a failed migration.
   * Never throws: the domain has ended, and what follows from that must be done.
   */
  void domainEnded(UUID domain);
}
