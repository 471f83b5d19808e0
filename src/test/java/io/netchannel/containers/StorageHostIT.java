package io.netchannel.containers;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.containers.ContainerHost.Xen;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A host without Xen that has devices for others. */
final class StorageHostIT {
  @RegisterExtension
  static final Hosts hosts =
      new Hosts().with("hosta", Xen.FAKED, "").with("storage", Xen.NONE, "guests = false");

  private static ContainerHost storage() {
    return hosts.host("storage");
  }

  @Test
  void itIsAPeerAsAnyOther() {
    Eventually.holds(
        () -> {
          assertThat(hosts.host("hosta").peer("storage")).containsEntry("state", "connected");
          assertThat(storage().peer("hosta")).containsEntry("state", "connected");
        });
    assertThat(storage().netchannel("status").out())
        .containsPattern("guests: +not served: guests = false in \\[daemon]");
    assertThat(storage().execute("test", "-e", "/run/netchannel/hook.sock").status()).isOne();
  }

  @Test
  void theDoctorFindsNothingMissing() {
    Eventually.holds(
        () -> {
          ContainerHost.Result doctor = storage().netchannel("doctor");
          assertThat(doctor.out()).contains("OK    guests: not served").doesNotContain("FAIL");
          assertThat(doctor.status()).as("%s", doctor).isZero();
        });
  }

  /** It says what is missing, and the key that would do without. */
  @Test
  void withGuestsToServeItDoesNotStartWithoutXen() {
    storage().stopDaemon();
    storage().run("sed 's/^guests = .*//' /etc/netchannel/netchannel.toml >/tmp/guests.toml");
    ContainerHost.Result daemon = storage().netchannel("daemon", "--config", "/tmp/guests.toml");
    assertThat(daemon.status()).isOne();
    assertThat(daemon.err())
        .contains("/dev/xen/gntdev is missing")
        .contains("set guests = false in [daemon]");
  }
}
