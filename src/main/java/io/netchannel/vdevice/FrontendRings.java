package io.netchannel.vdevice;

import com.google.common.collect.ImmutableList;

/**
 * What a frontend has published about its rings. Two are equal exactly when they mean the same
 * rings; a restarted process compares the texts.
 */
public interface FrontendRings {

  ImmutableList<QueueNodes> queues();

  /** Bytes of a slot of the rings that have the requests. */
  int slotBytes();

  /** One line, for a node of our own. */
  @Override
  String toString();
}
