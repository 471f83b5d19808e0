package io.netchannel.daemon;

import com.google.common.collect.ImmutableMap;
import io.netchannel.device.memory.BufferBudget;
import io.netchannel.midpoint.MidPointMemory;
import java.util.Map;

/** What "status" says of memory. */
final class MemoryJson {
  private MemoryJson() {}

  static Map<String, Object> of(MidPointMemory memory) {
    return ImmutableMap.of(
        "buffers", of(memory.buffers().use()),
        "manifests",
            ImmutableMap.of(
                "budgetBytes", memory.manifests().budgetBytes(),
                "inUseBytes", memory.manifests().inUseBytes()));
  }

  static Map<String, Object> of(BufferBudget.Use use) {
    return ImmutableMap.of(
        "budgetBytes", use.budgetBytes(),
        "madeBytes", use.madeBytes(),
        "inUseBytes", use.inUseBytes(),
        "users", use.users(),
        "waiting", use.waiting());
  }
}
