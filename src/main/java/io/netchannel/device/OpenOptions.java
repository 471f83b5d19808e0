package io.netchannel.device;

import java.util.Optional;
import java.util.UUID;

/**
 * How a device is opened.
 *
 * @param readOnly whether it will not be written
 * @param user who uses it; empty for a tool that opens it for a moment
 * @param probe only the geometry is wanted: somebody else may be using the device and must not
 *     notice; all requests fail
 * @param anew the user's disk is elsewhere, and all that is here is going to be overwritten with a
 *     copy of it: so the user gets in although its disk was switched away from here ({@link
 *     Device#moved}). An authority lets it in with a newer generation only so from now on, also
 *     after a crash in the middle, until {@link Device#arrived}
 * @param leg what is here may be one of two legs of the user's disk, and the user knows which of
 *     them are up to date. An authority that knows of two lets nobody in for whom it is all there
 *     is
 */
public record OpenOptions(
    boolean readOnly, Optional<User> user, boolean probe, boolean anew, boolean leg) {

  /**
   * Whoever uses a device, for one that has an authority of its own: of the users that call
   * themselves the same, only the one with the newest generation gets through.
   *
   * @param name stays the same in every life of the same disk of the same guest: "uuid/xvdb"
   * @param generation 1 or more
   * @param inheritance what the generation before has left; empty when it has waited for its
   *     requests, or ended
   */
  public record User(String name, long generation, Optional<Inheritance> inheritance) {
    public User(String name, long generation) {
      this(name, generation, Optional.empty());
    }

    public static User disk(
        UUID domain, String target, long generation, Optional<Inheritance> inheritance) {
      return new User(diskName(domain, target), generation, inheritance);
    }

    public static String diskName(UUID domain, String target) {
      return domain + "/" + target;
    }
  }

  /** Without a user of its own. */
  public static OpenOptions plain(boolean readOnly) {
    return new OpenOptions(readOnly, Optional.empty(), false, false, false);
  }

  /** For a disk of a guest. */
  public static OpenOptions of(boolean readOnly, User user) {
    return new OpenOptions(readOnly, Optional.of(user), false, false, false);
  }

  /** For what becomes a copy of a guest's disk. */
  public static OpenOptions anew(User user) {
    return new OpenOptions(false, Optional.of(user), false, true, false);
  }

  /** For a look. */
  public static OpenOptions probe(boolean readOnly) {
    return new OpenOptions(readOnly, Optional.empty(), true, false, false);
  }

  /** The same for one of two legs. */
  public OpenOptions asLeg() {
    return new OpenOptions(readOnly, user, probe, anew, true);
  }
}
