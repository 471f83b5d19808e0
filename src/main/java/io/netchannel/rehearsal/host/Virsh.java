package io.netchannel.rehearsal.host;

import io.netchannel.libvirt.HookReply;
import io.netchannel.rehearsal.Await;
import io.netchannel.rehearsal.guest.LinuxGuest;
import io.netchannel.rehearsal.guest.Workload;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.io.IOException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.OptionalInt;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Plays libvirt's part with its libxl driver: the same hook calls with the same XML in the same
 * order, the same moments for xenstore and domains (libxl_migration.c, libxl_domain.c of libvirt
 * 9.0).
 */
public final class Virsh {
  private static final Logger log = LoggerFactory.getLogger(Virsh.class);

  /** What is left of a guest's memory for the last round travels in about this time. */
  private static final Duration LAST_ROUND = Duration.ofMillis(100);

  private static final OptionalInt NOT_RUNNING = OptionalInt.empty();

  private volatile DomainDefinition definition;
  private final Clock clock;

  /**
   * How a migration went. Times are microseconds since the epoch.
   *
   * @param moved false when the guest goes on at the source
   * @param message what the user of virsh sees of a failure
   */
  public record Outcome(
      boolean moved,
      String message,
      LinuxGuest.Stopped guest,
      long stoppedMicros,
      long runsMicros) {}

  /** libvirt's refusal before anything has happened to the guest. */
  public static final class RefusedException extends Exception {
    private static final long serialVersionUID = 1L;

    RefusedException(String message) {
      super(message);
    }
  }

  public Virsh(DomainDefinition definition, Clock clock) {
    this.definition = definition;
    this.clock = clock;
  }

  /** {@code virsh define} of a domain of that name. */
  public void define(DomainDefinition changed) {
    definition = changed;
  }

  /** {@code virsh start}: the domain runs when it returns; "started" comes after the unpause. */
  public EmbeddedDomain start(ModelHost host) throws IOException, RefusedException {
    must(host, "prepare", "begin", NOT_RUNNING);
    must(host, "start", "begin", NOT_RUNNING);
    EmbeddedDomain domain = host.libxl().create(definition);
    domain.unpause();
    must(host, "started", "begin", id(domain));
    return domain;
  }

  /**
   * {@code virsh migrate --live}.
   *
   * @param precopy returns when enough memory was copied for the guest to be stopped
   */
  public Outcome migrate(
      ModelHost source,
      ModelHost destination,
      LinuxGuest guest,
      Workload workload,
      Runnable precopy)
      throws IOException, RefusedException {
    EmbeddedDomain outgoing = guest.domain();
    // Prepare, at the destination. libvirt 9.0 gives the migrate hook no XML.
    refuse(destination.hook(definition.name(), "migrate", "begin", ""), "migrate");
    must(destination, "prepare", "begin", NOT_RUNNING);
    must(destination, "start", "begin", NOT_RUNNING);
    EmbeddedDomain incoming = destination.libxl().create(definition);
    // Perform: memory is copied while the guest runs, then the rest while it stands still.
    precopy.run();
    source.libxl().requestSuspend(outgoing);
    LinuxGuest.Stopped stopped = guest.suspend(workload);
    long stoppedMicros = micros();
    lastRound(source);
    HookReply started =
        destination.hook(definition.name(), "started", "begin", definition.xml(id(incoming)));
    if (started.exitCode() != 0) {
      end(destination, incoming);
      // libvirt 9.0 cleans up twice when an incoming migration fails.
      ended(destination, incoming);
      guest.resumeHere();
      return new Outcome(false, started.message(), stopped, stoppedMicros, micros());
    }
    // Finish, at the destination; confirm, at the source.
    incoming.unpause();
    guest.resumeAt(incoming);
    long runsMicros = micros();
    end(source, outgoing);
    return new Outcome(true, "", stopped, stoppedMicros, runsMicros);
  }

  /** {@code virsh destroy}. */
  public void destroy(ModelHost host, EmbeddedDomain domain) throws IOException {
    end(host, domain);
  }

  /**
   * The last memory travels. The source's mid-point, which knows nothing of the suspend, answers on
   * a ring that was copied already: once it has, enough time has passed. The guest at the
   * destination will not see that answer.
   */
  private void lastRound(ModelHost source) {
    long answered = answered(source);
    boolean early = Await.within(LAST_ROUND, () -> answered(source) > answered);
    log.info(
        "{}: last round of memory ended {}",
        definition.name(),
        early ? "with an answer" : "after " + LAST_ROUND);
  }

  private static long answered(ModelHost host) {
    try {
      long answered = 0;
      for (var device : host.devices()) {
        answered += device.path("answered").asLong();
      }
      return answered;
    } catch (IOException e) {
      throw new IllegalStateException(host.name() + ": " + e.getMessage(), e);
    }
  }

  private void end(ModelHost host, EmbeddedDomain domain) throws IOException {
    host.libxl().destroy(domain, definition);
    ended(host, domain);
  }

  private void ended(ModelHost host, EmbeddedDomain domain) throws IOException {
    // Their exit code changes nothing: the domain has ended.
    host.hook(definition.name(), "stopped", "end", definition.xml(id(domain)));
    host.hook(definition.name(), "release", "end", definition.xml(id(domain)));
  }

  private void must(ModelHost host, String operation, String subOperation, OptionalInt domid)
      throws IOException, RefusedException {
    refuse(host.hook(definition.name(), operation, subOperation, definition.xml(domid)), operation);
  }

  private static void refuse(HookReply reply, String operation) throws RefusedException {
    if (reply.exitCode() != 0) {
      throw new RefusedException("hook %s: %s".formatted(operation, reply.message()));
    }
  }

  private static OptionalInt id(EmbeddedDomain domain) {
    return OptionalInt.of(domain.domid());
  }

  private long micros() {
    return ChronoUnit.MICROS.between(Instant.EPOCH, clock.instant());
  }
}
