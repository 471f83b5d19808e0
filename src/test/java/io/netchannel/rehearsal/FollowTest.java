package io.netchannel.rehearsal;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.rehearsal.host.DomainDefinition;
import io.netchannel.rehearsal.host.ModelHost;
import io.netchannel.rehearsal.host.Virsh;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Two whole hosts, and a guest with verified I/O whose disk comes after it, or whose disk is being
 * swapped while it migrates.
 */
@Timeout(240)
final class FollowTest extends TravellingGuest {
  @Test
  void theDiskFollowsItsGuestThereAndBack() throws Exception {
    startWithPool(hosts.b());
    runGuest(Optional.of("fast"));
    migrate(hosts.a(), hosts.b());
    awaitDone(hosts.b(), atB());
    assertThat(libvirt.definition().follow()).contains("fast");
    noise(disk());
    progress();
    isLeft(hosts.a(), atB());
    assertThat(export(hosts.b()).path("source").asText())
        .isEqualTo("file:" + pool().resolve("vol7"));
    assertThat(export(hosts.b()).path("allow").toString())
        .isEqualTo("[\"%s\",\"%s\"]".formatted(B, A));
    migrate(hosts.b(), hosts.a());
    awaitDone(hosts.a(), atA());
    noise(pool().resolve("vol7"));
    progress();
    isLeft(hosts.b(), atA());
    assertThat(ask(hosts.a(), "{'command':'status'}").path("waiting")).isEmpty();
    endsWith(hosts.a(), disk());
  }

  @Test
  void aRestartInTheMiddleGoesOnWithIt() throws Exception {
    startWithPool(hosts.b());
    runGuest(Optional.of("fast"));
    migrate(hosts.a(), hosts.b());
    until("the job", () -> state(hosts.b()).equals("copying"));
    tell(hosts.b(), "'bandwidth','bandwidth':262144");
    until("some copies", () -> job(hosts.b()).path("copiedBytes").asLong() > 0);
    startWithPool(hosts.b());
    start(hosts.a(), "");
    progress();
    assertThat(source(hosts.b())).isEqualTo(atA());
    tell(hosts.b(), "'bandwidth','bandwidth':0");
    isSwitchedFromA(hosts.b(), pool().resolve("vol7"));
  }

  @Test
  void withoutAPoolTheDiskStaysBehindAndComesWhenThereIsOne() throws Exception {
    start(hosts.b(), "");
    runGuest(Optional.of("fast"));
    migrate(hosts.a(), hosts.b());
    until(
        "the reason", () -> waiting(hosts.b()).contains("this host has no pool fast: it has none"));
    assertThat(waiting(hosts.b())).contains("stays at " + atA());
    progress();
    Files.delete(pool());
    startWithPool(hosts.b());
    until("the reason", () -> waiting(hosts.b()).contains(pool() + " cannot be examined"));
    assertThat(state(hosts.b())).isEqualTo("behind");
    assertThat(job(hosts.b()).path("reason").asText()).contains(pool() + " cannot be examined");
    Files.createDirectory(pool());
    awaitDone(hosts.b(), atB());
    assertThat(waiting(hosts.b())).isEqualTo("[]");
    noise(disk());
    progress();
    endsWith(hosts.b(), pool().resolve("vol7"));
  }

  /** As by attach-disk --follow. */
  @Test
  void aDiskThatIsToFollowFromNowOnComes() throws Exception {
    startWithPool(hosts.b());
    runGuest(Optional.empty());
    migrate(hosts.a(), hosts.b());
    DomainDefinition stays = libvirt.definition();
    libvirt.define(
        new DomainDefinition(
            stays.name(), stays.uuid(), TARGET, stays.source(), Optional.of("fast")));
    ask(hosts.b(), "{'command':'follow','domain':'web1'}");
    isSwitchedFromA(hosts.b(), pool().resolve("vol7"));
  }

  private static String waiting(ModelHost host) {
    return ask(host, "{'command':'status'}").path("waiting").toString();
  }

  /** Who gives it up means it: it is not begun again before the guest comes again. */
  @Test
  void aPersonCanKeepItWhereItIs() throws Exception {
    startWithPool(hosts.b());
    runGuest(Optional.of("fast"));
    migrate(hosts.a(), hosts.b());
    until("the job", () -> state(hosts.b()).equals("copying"));
    tell(hosts.b(), "'abort'");
    until("its end", () -> state(hosts.b()).equals("aborted"));
    int asked = libvirt.asked.get();
    startWithPool(hosts.b());
    until("the next daemon's look", () -> libvirt.asked.get() > asked);
    progress();
    assertThat(state(hosts.b())).isEqualTo("aborted");
    migrate(hosts.b(), hosts.a());
    assertThat(job(hosts.a()).isMissingNode()).as("it is at home").isTrue();
    migrate(hosts.a(), hosts.b());
    awaitDone(hosts.b(), atB());
    assertThat(ask(hosts.b(), "{'command':'jobs'}")).as("one of each arrival").hasSize(2);
    noise(disk());
    progress();
    endsWith(hosts.b(), pool().resolve("vol7"));
  }

  /** To leave again while the disk is still on its way is what ends that. */
  @Test
  void aGuestThatGoesHomeFindsItsDiskThere() throws Exception {
    startWithPool(hosts.b());
    runGuest(Optional.of("fast"));
    migrate(hosts.a(), hosts.b());
    until("the job", () -> state(hosts.b()).equals("copying"));
    tell(hosts.b(), "'bandwidth','bandwidth':262144");
    migrate(hosts.b(), hosts.a());
    until("its end", () -> state(hosts.b()).equals("aborted"));
    assertThat(job(hosts.b()).path("reason").asText()).isEqualTo("its guest has gone to " + A);
    assertThat(job(hosts.a()).isMissingNode()).isTrue();
    noise(pool().resolve("vol7"));
    progress();
    endsWith(hosts.a(), disk());
  }

  // ---- Jobs of people that go where the guest goes

  private void swapToB() throws Exception {
    startWithPool(hosts.b());
    runGuest(Optional.empty());
    Path target = pool().resolve("target.raw");
    noise(target);
    ask(
        hosts.b(),
        "{'command':'export','name':'vol7','source':'file:%s','allow':['%s']}"
            .formatted(target, A));
    swap(
        hosts.a(),
        "{'command':'swap','domain':'web1','target':'xvdb','source':'%s','bandwidth':262144}"
            .formatted(atB()));
    until("some copies", () -> job(hosts.a()).path("copiedBytes").asLong() > 0);
  }

  private void restsAtA() {
    until("that it rests", () -> state(hosts.a()).equals("paused"));
    assertThat(job(hosts.a()).path("reason").asText()).isEqualTo("its guest migrates");
  }

  @Test
  void aJobGoesWhereItsGuestGoes() throws Exception {
    swapToB();
    migrate(
        hosts.a(),
        hosts.b(),
        () -> {
          restsAtA();
          progress();
        });
    until("its end at the source", () -> state(hosts.a()).equals("aborted"));
    assertThat(job(hosts.a()).path("reason").asText())
        .isEqualTo("its guest has gone to %s, and the job with it".formatted(B));
    until("that it goes on", () -> state(hosts.b()).equals("copying"));
    assertThat(job(hosts.b()).path("bandwidth").asLong())
        .as("as a person has said")
        .isEqualTo(262144);
    assertThat(job(hosts.b()).path("old").asText()).isEqualTo(atA());
    tell(hosts.b(), "'bandwidth','bandwidth':0");
    isSwitchedFromA(hosts.b(), pool().resolve("target.raw"));
  }

  @Test
  void itSoDoesOverRestartsOfBothDaemons() throws Exception {
    swapToB();
    migrate(
        hosts.a(),
        hosts.b(),
        () -> {
          unchecked(
              () -> {
                start(hosts.a(), "");
                startWithPool(hosts.b());
                return null;
              });
          progress();
          restsAtA();
        });
    startWithPool(hosts.b());
    start(hosts.a(), "");
    progress();
    until("its end at the source", () -> state(hosts.a()).equals("aborted"));
    until("that it goes on", () -> state(hosts.b()).equals("copying"));
    tell(hosts.b(), "'bandwidth','bandwidth':0");
    isSwitchedFromA(hosts.b(), pool().resolve("target.raw"));
  }

  @Test
  void whereTheGuestStaysAfterAllItsJobDoesToo() throws Exception {
    swapToB();
    start(hosts.b(), POOL.formatted(pool()) + "[faults]\n\"destination.sealed\" = \"fail\"\n");
    Virsh.Outcome outcome =
        virsh.migrate(
            hosts.a(),
            hosts.b(),
            guest,
            workload,
            () -> {
              restsAtA();
              progress();
            });
    assertThat(outcome.moved()).isFalse();
    until("the end of the migration", () -> !hosts.a().lastMigration().get().isActive());
    until("that it goes on", () -> state(hosts.a()).equals("copying"));
    start(hosts.a(), "");
    progress();
    tell(hosts.a(), "'bandwidth','bandwidth':0");
    awaitDone(hosts.a(), atB());
    assertThat(job(hosts.b()).isMissingNode()).isTrue();
    noise(disk());
    progress();
    endsWith(hosts.a(), pool().resolve("target.raw"));
  }

  /** A path may lead to something else there: nobody writes to it without a person's word. */
  @Test
  void aJobToAPathWaitsForAWordAtTheOtherHost() throws Exception {
    startWithPool(hosts.b());
    runGuest(Optional.empty());
    Path target = directory.resolve("new.raw");
    swap(
        hosts.a(),
        "{'command':'swap','domain':'web1','target':'xvdb','source':'file:%s','create':true,'bandwidth':262144}"
            .formatted(target));
    until("some copies", () -> job(hosts.a()).path("copiedBytes").asLong() > 0);
    migrate(hosts.a(), hosts.b());
    until("its end at the source", () -> state(hosts.a()).equals("aborted"));
    noise(target);
    byte[] others = Files.readAllBytes(target);
    until("that it waits", () -> state(hosts.b()).equals("paused"));
    assertThat(job(hosts.b()).path("reason").asText()).contains("came from " + A, "--resume");
    startWithPool(hosts.b());
    progress();
    assertThat(state(hosts.b())).isEqualTo("paused");
    assertThat(target).hasBinaryContent(others);
    tell(hosts.b(), "'bandwidth','bandwidth':0");
    tell(hosts.b(), "'resume'");
    awaitDone(hosts.b(), "file:" + target);
    noise(disk());
    progress();
    endsWith(hosts.b(), target);
  }
}
