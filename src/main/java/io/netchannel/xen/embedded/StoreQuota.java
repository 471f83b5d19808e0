package io.netchannel.xen.embedded;

/**
 * What a domain other than 0 may use: the defaults of xenstored 4.17 (options -E, -S, -W, -A, -t).
 */
final class StoreQuota {
  static final int NODES_PER_DOMAIN = 1000;
  static final int NODE_BYTES = 2048;

  /** xenstored is told 128 and refuses when there are more already. */
  static final int WATCHES_PER_DOMAIN = 129;

  static final int PERMISSIONS_PER_NODE = 5;
  static final int TRANSACTIONS_PER_CONNECTION = 10;

  private StoreQuota() {}
}
