package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.net.HostAndPort;
import io.netchannel.coordinator.StockDiskPolicy;
import io.netchannel.coordinator.peer.PeerAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

final class DaemonConfigurationTest {
  private static DaemonConfiguration parse(String text) throws ConfigurationException {
    return DaemonConfiguration.parse("test.toml", text);
  }

  @Test
  void anEmptyFileGivesTheDefaults() throws Exception {
    DaemonConfiguration found = parse("");
    assertThat(found).isEqualTo(DaemonConfiguration.defaults(found.name()));
    assertThat(found.name()).isNotBlank();
    assertThat(found.controlSocket()).isEqualTo(Path.of("/run/netchannel/control.sock"));
  }

  @Test
  void everythingCanBeSet() throws Exception {
    DaemonConfiguration found =
        parse(
            """
            [daemon]
            name = "hosta"
            guests = false
            listen = "10.0.0.1:7000"
            run-directory = "/tmp/run"
            state-directory = "/tmp/state"
            [[peer]]
            name = "hostb"
            address = "10.0.0.2"
            [[peer]]
            name = "hostc"
            [tls]
            ca = "/tmp/ca.pem"
            certificate = "/tmp/cert.pem"
            key = "/tmp/key.pem"
            [timeouts]
            prepare = "300ms"
            hook = "2m"
            sealed = "3m"
            unbind = "4s"
            drain = "40s"
            [stock-disks]
            unanswered = "wait"
            [memory]
            buffers = "64M"
            [trace]
            directory = "/tmp/trace"
            [faults]
            "destination.sealed" = "hang 30s"
            [[pool]]
            name = "fast"
            directory = "/srv/pool"
            [[pool]]
            name = "slow"
            directory = "/srv/slow"
            delete-moved = "24h"
            [mirror]
            leg-timeout = "8s"
            witness = "hostc"
            """);
    assertThat(found.exports().legs().timeout()).isEqualTo(Duration.ofSeconds(8));
    assertThat(found.exports().legs().witness()).contains(HostAndPort.fromParts("hostc", 16516));
    assertThat(found.pools())
        .containsExactly(
            Map.entry("fast", new VolumePool(Path.of("/srv/pool"), Optional.empty())),
            Map.entry(
                "slow", new VolumePool(Path.of("/srv/slow"), Optional.of(Duration.ofHours(24)))));
    assertThat(found.exports().listen()).as("who has volumes serves them").isPresent();
    assertThat(found.name()).isEqualTo("hosta");
    assertThat(found.guests()).isFalse();
    assertThat(found.memory().bufferBytes()).isEqualTo(64 << 20);
    assertThat(found.memory().guestBytes() + found.memory().serverBytes()).isEqualTo(64 << 20);
    assertThat(found.listen()).hasToString("10.0.0.1:7000");
    assertThat(found.peers())
        .containsExactly(
            new PeerAddress("hostb", "10.0.0.2", 16515), new PeerAddress("hostc", "hostc", 16515));
    assertThat(found.tls().serverCertificate()).isEqualTo(Path.of("/tmp/cert.pem"));
    assertThat(found.tls().clientKey()).isEqualTo(Path.of("/tmp/key.pem"));
    assertThat(found.timeouts().prepare()).isEqualTo(Duration.ofMillis(300));
    assertThat(found.timeouts().hook()).isEqualTo(Duration.ofMinutes(2));
    assertThat(found.timeouts().sealed()).isEqualTo(Duration.ofMinutes(3));
    assertThat(found.waits().unbind()).isEqualTo(Duration.ofSeconds(4));
    assertThat(found.timeouts().drain()).isEqualTo(Duration.ofSeconds(40));
    assertThat(found.stockDisks()).isEqualTo(StockDiskPolicy.WAIT);
    assertThat(found.traceDirectory()).contains(Path.of("/tmp/trace"));
    assertThat(found.faults()).containsEntry("destination.sealed", "hang 30s");
    assertThat(found.inflightDirectory()).isEqualTo(Path.of("/tmp/run/inflight"));
  }

  static Stream<Arguments> mistakes() {
    return Stream.of(
        Arguments.of("[daemon]\nnmae = \"x\"\n", "test.toml:2: unknown key \"nmae\" in [daemon]"),
        Arguments.of("\n[demon]\nname = \"x\"\n", "test.toml:2: unknown key \"demon\""),
        Arguments.of("[[peer]]\nname = \"b\"\nadress = \"b\"\n", "test.toml:3: unknown key"),
        Arguments.of("[[peer]]\naddress = \"b\"\n", "[peer] needs a key \"name\""),
        Arguments.of("[[peer]]\nname = \"b\"\n[[peer]]\nname = \"b\"\n", "b twice"),
        Arguments.of("[[peer]]\nname = \"b\"\naddress = \"b:x\"\n", "expected an address"),
        Arguments.of("[memory]\nbuffers = \"64\"\n", "memory.buffers: expected a size such as"),
        Arguments.of("[memory]\nbuffers = \"1M\"\n", "memory.buffers: expected 8M to "),
        Arguments.of(
            "[memory]\nbuffers = \"999G\"\n",
            "three quarters of the direct memory that Java was given (-XX:MaxDirectMemorySize, in"
                + " /etc/default/netchannel), found 1022976M"),
        Arguments.of(
            "[[pool]]\nname = \"p\"\ndirectory = \"/p\"\ndelete-moved = \"1 day\"\n",
            "delete-moved: expected a duration such as"),
        Arguments.of("[timeouts]\n\nseal = \"20\"\n", "test.toml:3: timeouts.seal: expected a"),
        Arguments.of("[timeouts]\nseal = 20\n", "test.toml:2: timeouts.seal: expected a text"),
        Arguments.of("[timeouts]\nseal = \"0s\"\n", "expected a duration"),
        Arguments.of("[timeouts]\nsealed = \"1s\"\n", "shorter than hook"),
        Arguments.of("[timeouts]\ndrain = \"2m\"\n", "drain = PT2M does not fit into hook"),
        Arguments.of(
            "[stock-disks]\nunanswered = \"never\"\n",
            "test.toml:2: stock-disks.unanswered: expected \"abort\", \"wait\" or \"ignore\""),
        Arguments.of("[timeouts]\nseel = \"1s\"\n", "unknown key \"seel\" in [timeouts]; known"),
        Arguments.of("tls = \"x\"\n", "test.toml:1: tls: expected a table"),
        Arguments.of("peer = \"x\"\n", "expected tables written as [[peer]]"),
        Arguments.of("[[pool]]\nname = \"fast\"\n", "pool fast needs a directory"),
        Arguments.of(
            "[[pool]]\nname = \"a\"\ndirectory = \"pool\"\n", "expected a path from the root"),
        Arguments.of(
            "[[pool]]\nname = \"a\"\ndirectory = \"/a\"\n".repeat(2),
            "expected another name for each pool, found a twice"),
        Arguments.of(
            "[daemon]\nrun-directory = \"/run/\\u0000\"\n",
            "test.toml:2: the path \"/run/\\0\" has a NUL"),
        Arguments.of("[trace]\ndirectory = \"\\u0000\"\n", "test.toml:2: the path"),
        Arguments.of("[daemon\n", "test.toml:1: not TOML"));
  }

  @ParameterizedTest
  @MethodSource("mistakes")
  void mistakesAreErrorsThatSayWhere(String text, String message) {
    assertThatThrownBy(() -> parse(text))
        .isInstanceOf(ConfigurationException.class)
        .hasMessageContaining(message);
  }

  @Test
  void rehearsingCanBeTurnedOff() throws Exception {
    assertThat(DaemonConfiguration.parse("f", "[daemon]\nrehearse = false\n").rehearse()).isFalse();
    assertThatThrownBy(() -> DaemonConfiguration.parse("f", "[daemon]\nrehearse = \"no\"\n"))
        .isInstanceOf(ConfigurationException.class)
        .hasMessageContaining("true or false");
  }

  @Test
  void aByteOrderMarkIsNoPartOfAFile(@TempDir Path directory) throws Exception {
    Path file = Files.writeString(directory.resolve("c.toml"), "\uFEFF[daemon]\nname = \"höst\"\n");
    assertThat(DaemonConfiguration.read(file).name()).isEqualTo("höst");
  }

  @Test
  void aFileInAnotherCharacterSetIsToldWithItsLine(@TempDir Path directory) throws Exception {
    Path file = directory.resolve("c.toml");
    Files.writeString(file, "[daemon]\n# für\n", StandardCharsets.ISO_8859_1);
    assertThatThrownBy(() -> DaemonConfiguration.read(file))
        .isInstanceOf(ConfigurationException.class)
        .hasMessageStartingWith(file + ":2: not UTF-8");
  }
}
