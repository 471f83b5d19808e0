package io.netchannel.midpoint.block;

import io.netchannel.device.Outcome;
import io.netchannel.device.RequestName;
import io.netchannel.device.StorageState;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;

/**
 * The device server of a disk that stays where it is, with the only cache: one user at a time gets
 * through; whoever comes next finds nothing of the one before at the device.
 */
final class Authority {
  static final StorageState STORAGE = new StorageState(new UUID(0, 9), true);

  /** What custody tells of it. */
  StorageState state = STORAGE;

  /** What happens right after it was told. */
  Runnable afterCustody = () -> {};

  final Storage.HostCache cache;
  private final Random random;
  private final boolean errors;
  private final Map<RequestName, Outcome> kept = new HashMap<>();
  private ScriptedDevice user;
  long sequence;

  Authority(Random random, Storage storage, boolean errors) {
    this.random = random;
    this.errors = errors;
    cache = storage.host();
  }

  /**
   * A newer generation: of what the user before has sent, some has arrived and is finished now; the
   * rest never arrives. That user hears of some of it, and is then refused.
   */
  Map<RequestName, Outcome> attach(ScriptedDevice next, List<RequestName> asked) {
    if (user != null) {
      for (ScriptedDevice.Operation operation : new ArrayList<>(user.running)) {
        if (random.nextInt(3) > 0) {
          boolean fails = errors && random.nextInt(6) == 0;
          Outcome outcome = fails ? Outcome.IO_ERROR : Outcome.OK;
          if (!fails || random.nextBoolean()) {
            operation.apply();
          }
          kept.put(operation.name, outcome);
          if (random.nextBoolean()) {
            user.forget(operation, outcome);
          }
        }
      }
      user.relinquish();
      user.fence("its generation is over");
    }
    user = next;
    kept.keySet().retainAll(asked);
    return Map.copyOf(kept);
  }

  /** An older user with a generation that is newer still. */
  void back(ScriptedDevice older) {
    user = older;
    kept.clear();
  }
}
