package io.netchannel.coordinator;

/**
 * Makes a migration, or a disk's job, fail at a chosen point, for tests; section [faults] of the
 * configuration. {@link #NONE} costs nothing.
 */
@FunctionalInterface
public interface FaultPoints {

  /** Points, each after what its name says is done and before anything follows from it. */
  enum Point {
    DESTINATION_PREPARED("destination.prepared"),
    /** Manifests are durable here, N+1 not yet asked for. */
    DESTINATION_SEALED("destination.sealed"),
    /** N+1 is durable here, no device taken over. */
    DESTINATION_TAKEN_OVER("destination.taken-over"),
    SOURCE_PREPARED("source.prepared"),
    /** The guest is suspended and nobody has asked for the seal, which follows. */
    SOURCE_SUSPENDED("source.suspended"),
    SOURCE_SEALED("source.sealed"),
    /** N+1 was given, durably, and the destination was not told. */
    SOURCE_GIVEN("source.given"),
    /** The job is durable, its mirror is not under the guest yet. */
    JOB_COPYING("job.copying"),
    /** Both devices have all, and nothing is recorded. */
    JOB_SYNCED("job.synced"),
    /** It is durable that the new device is the disk; neither nodes nor the old device know. */
    JOB_RECORDED("job.recorded"),
    /** They know, if they can be told; nothing goes to the new device alone yet. */
    JOB_MOVED("job.moved"),
    /** The new device is alone; the mirror is under the guest still, and the XML names the old. */
    JOB_ALONE("job.alone");

    private final String key;

    Point(String key) {
      this.key = key;
    }

    /** Its name in the configuration. */
    public String key() {
      return key;
    }
  }

  /** A fault that was asked for. */
  final class FaultException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public FaultException(Point point) {
      super("[faults] " + point.key() + " = \"fail\"");
    }
  }

  FaultPoints NONE = point -> {};

  /** Returns, throws {@link FaultException}, waits, or ends the process. */
  void at(Point point);
}
