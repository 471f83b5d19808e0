package io.netchannel.libvirt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.libvirt.DomainMetadata.Definition;
import java.io.IOException;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.xml.sax.InputSource;

/**
 * The virsh here is a script that keeps a domain's definitions in files and says what that of
 * libvirt 9.0 says.
 */
@Timeout(120)
final class DomainMetadataTest {
  private static final String ID = "6695eb01-f6a4-8304-79aa-97f2502e193f";
  private static final String OLD = "file:/dev/vg0/web1";
  private static final String NEW = "netchannel://hostb/web1?a=1&b=\"2\"";

  /** Longer than any call of the script takes on a busy machine. */
  private static final Duration BOUND = Duration.ofSeconds(100);

  private static final String SCRIPT =
      """
      cd "$(dirname "$0")"
      say() { echo "error: $1" >&2; exit 1; }
      [ ! -e away ] || say "failed to connect to the hypervisor"
      if [ "$1" = list ]; then
        [ ! -e away-soon ] || say "Disconnected from xen:///system due to end of file"
        [ -e gone ] || echo "$ID web1"
        echo "11111111-f6a4-8304-79aa-97f2502e193f web10"
        exit 0
      fi
      [ "$1 $3 $4" = "metadata --uri https://netchannel.io/domain/1" ] || say "not understood: $*"
      [ ! -e gone ] && [ ! -e away-soon ] || say "failed to get domain '$2'"
      definition=${5#--}
      if [ ! -e "$definition" ]; then
        [ "$definition" != live ] || say "Requested operation is not valid: domain is not running"
        say "Requested operation is not valid: transient domains do not have any persistent config"
      fi
      if [ -n "${6:-}" ]; then
        [ "$6 $7 $8" = "--key netchannel --set" ] || say "not understood: $*"
        [ ! -e locked ] || say "Timed out during operation: cannot acquire state change lock"
        printf '%s\\n' "$9" > "$definition"
        echo "$definition" >> written
        echo "Metadata modified"
      elif [ -s "$definition" ]; then
        cat "$definition"
        echo
      else
        say "metadata not found: Requested metadata element is not present"
      fi
      """;

  @TempDir Path directory;

  @BeforeEach
  void makeVirsh() throws IOException {
    Files.writeString(directory.resolve("virsh"), SCRIPT.replace("$ID", ID));
  }

  private DomainMetadata metadata(String domain, Definition definition) {
    return new DomainMetadata(
        domain, definition, new Virsh(List.of("sh", directory.resolve("virsh").toString()), BOUND));
  }

  private DomainMetadata live() {
    return metadata(ID, Definition.LIVE);
  }

  private void has(String definition, String xml) throws IOException {
    Files.writeString(directory.resolve(definition), xml);
  }

  private String text(String definition) throws IOException {
    return Files.readString(directory.resolve(definition)).strip();
  }

  @Test
  void tellsWhichDisksFollowTheirGuest() throws Exception {
    assertThat(live().follows()).as("no such definition").isEmpty();
    has("live", "");
    assertThat(live().follows()).as("none of ours").isEmpty();
    has(
        "live",
        """
        <devices><disk target="xvda" source="a"/><disk target="xvdb" source="b" follow="fast"/>
          <disk target="xvdc" source="c" follow=""/></devices>
        """);
    assertThat(live().follows()).containsExactly(Map.entry("xvdb", "fast"));
    assertThat(live().changeSource("xvdb", "b", NEW)).isTrue();
    assertThat(live().follows()).as("after a switch").containsExactly(Map.entry("xvdb", "fast"));
    has("gone", "");
    assertThat(live().follows()).isEmpty();
    Files.delete(directory.resolve("gone"));
    has("away", "");
    assertThatThrownBy(() -> live().follows()).isInstanceOf(MetadataException.class);
  }

  @Test
  void aDiskGetsLegsAndLosesThem() throws Exception {
    String legs = "mirror:netchannel://hosta/w,netchannel://hostb/w";
    has("live", "<devices><disk target=\"xvdb\" source=\"%s\"/></devices>".formatted(OLD));
    assertThat(live().changeSource("xvdb", OLD, legs)).isTrue();
    assertThat(text("live"))
        .contains(
            "<disk target=\"xvdb\"><leg source=\"netchannel://hosta/w\"/>"
                + "<leg source=\"netchannel://hostb/w\"/></disk>");
    assertThat(live().changeSource("xvdb", OLD, legs)).as("said again").isTrue();
    assertThat(live().changeSource("xvdb", legs, NEW)).isTrue();
    assertThat(text("live")).contains("<disk source=").doesNotContain("<leg");
  }

  @Test
  void changesTheSourceAndNothingElse() throws Exception {
    String xml =
        """
        <devices version="7"><!-- by hand --><disk target="xvda" source="%1$s"/>
          <disk cache="x" target="xvdb" source="%1$s" readonly="yes"><leg source="%1$s"/></disk>
          <other target="xvdc" source="%1$s"/>text
        </devices>
        """
            .formatted(OLD)
            .strip();
    has("live", xml);
    has("config", xml);
    assertThat(live().changeSource("xvdb", OLD, NEW)).isTrue();
    List<Piece> expected = pieces(xml);
    Piece disk =
        new Piece("disk", List.of("cache=x", "readonly=yes", "source=" + NEW, "target=xvdb"));
    expected.set(expected.indexOf(pieces(xml).get(2)), disk);
    assertThat(pieces(text("live"))).isEqualTo(expected);
    assertThat(text("live")).contains("<!-- by hand -->", "text");
    assertThat(text("config")).isEqualTo(xml);
  }

  private record Piece(String name, List<String> attributes) {}

  /** All elements in their order. */
  private static List<Piece> pieces(String xml) throws Exception {
    var factory = DocumentBuilderFactory.newInstance();
    var document = factory.newDocumentBuilder().parse(new InputSource(new StringReader(xml)));
    var elements = document.getElementsByTagName("*");
    List<Piece> pieces = new ArrayList<>();
    for (int i = 0; i < elements.getLength(); i++) {
      var attributes = elements.item(i).getAttributes();
      List<String> all = new ArrayList<>();
      for (int j = 0; j < attributes.getLength(); j++) {
        all.add(attributes.item(j).getNodeName() + "=" + attributes.item(j).getNodeValue());
      }
      pieces.add(new Piece(elements.item(i).getNodeName(), all.stream().sorted().toList()));
    }
    return pieces;
  }

  @ParameterizedTest
  @EnumSource(Definition.class)
  void mayBeRepeated(Definition definition) throws Exception {
    has("live", "<devices><disk target='xvdb' source='%s'/></devices>".formatted(OLD));
    has("config", text("live"));
    DomainMetadata metadata = metadata("web1", definition);
    assertThat(metadata.changeSource("xvdb", OLD, NEW)).isTrue();
    assertThat(metadata.changeSource("xvdb", OLD, NEW)).isTrue();
    assertThat(text("written")).as("written once").isEqualTo(definition.word());
  }

  @Test
  void aThirdSourceIsLeftAndNamed() throws Exception {
    String xml = "<devices><disk target='xvdb' source='inherit'/></devices>";
    has("live", xml);
    assertThatThrownBy(() -> live().changeSource("xvdb", OLD, NEW))
        .isInstanceOf(OtherSourceException.class)
        .hasMessageContaining("names inherit for xvdb now, expected " + OLD);
    assertThat(text("live")).isEqualTo(xml);
  }

  /** A start refuses these; none of them is made another one's. */
  @Test
  void ofSeveralWithOneTargetAllAreLookedAtBeforeAnyIsChanged() throws Exception {
    String disk = "<disk target='xvdb' source='%s'/>";
    String xml = "<devices>" + disk.formatted(OLD) + disk.formatted("file:/c") + "</devices>";
    has("live", xml);
    assertThatThrownBy(() -> live().changeSource("xvdb", OLD, NEW)).hasMessageContaining("file:/c");
    assertThat(text("live")).isEqualTo(xml);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "<devices/>", "<devices><disk target='xvda' source='a'/></devices>"})
  void aDefinitionThatDoesNotNameTheDiskIsLeft(String xml) throws Exception {
    has("live", xml);
    assertThat(live().changeSource("xvdb", OLD, NEW)).isFalse();
    assertThat(text("live")).isEqualTo(xml);
  }

  @ParameterizedTest
  @EnumSource(Definition.class)
  void aDomainMayBeWithoutTheDefinition(Definition definition) throws Exception {
    assertThat(metadata(ID, definition).changeSource("xvdb", OLD, NEW)).isFalse();
    assertThatThrownBy(() -> metadata(ID, definition).put("xvdb", NEW, false, Optional.empty()))
        .isInstanceOf(MetadataException.class)
        .hasMessageContaining("operation is not valid");
  }

  @ParameterizedTest
  @ValueSource(strings = {ID, "web1"})
  void aDomainThatHasGoneHasNone(String domain) throws Exception {
    has("gone", "");
    assertThat(metadata(domain, Definition.LIVE).changeSource("xvdb", OLD, NEW)).isFalse();
    assertThat(metadata(domain, Definition.CONFIG).changeSource("xvdb", OLD, NEW)).isFalse();
  }

  /** virsh says the same then as of a domain that has gone. */
  @Test
  void libvirtThatGoesMeanwhileIsNoDomainThatHasGone() throws Exception {
    has("away-soon", "");
    assertThatThrownBy(() -> live().changeSource("xvdb", OLD, NEW))
        .hasMessageContaining("cannot read the live metadata of domain " + ID)
        .hasMessageContaining("failed to get domain");
  }

  @Test
  void sayWhatVirshSays() throws Exception {
    has("live", "<devices><disk target='xvdb' source='%s'/></devices>".formatted(OLD));
    has("locked", "");
    assertThatThrownBy(() -> live().changeSource("xvdb", OLD, NEW))
        .hasMessageContaining("cannot change the live metadata")
        .hasMessageContaining("cannot acquire state change lock");
    has("away", "");
    assertThatThrownBy(() -> live().changeSource("xvdb", OLD, NEW))
        .hasMessageContaining("cannot read the live metadata")
        .hasMessageContaining("failed to connect to the hypervisor");
  }

  @Test
  void withoutVirshOneIsToldWhatToInstall() {
    Virsh none = new Virsh(List.of(directory.resolve("none").toString()), BOUND);
    assertThatThrownBy(
            () -> new DomainMetadata("web1", Definition.LIVE, none).remove(DeviceId.disk("xvdb")))
        .hasMessageContaining("install libvirt-clients");
  }

  /** Its output stays open as long as it runs. */
  @Test
  void virshThatHangsIsEnded() {
    Virsh hung = new Virsh(List.of("sh", "-c", "exec sleep 1000"), Duration.ofMillis(200));
    assertThatThrownBy(
            () -> new DomainMetadata("web1", Definition.LIVE, hung).remove(DeviceId.disk("xvdb")))
        .hasMessageContaining("virsh does not answer");
  }

  @Test
  void putReplacesTheDiskAndRemoveTakesIt() throws Exception {
    has("live", "");
    live().put("xvdb", OLD, false, Optional.empty());
    assertThat(text("live"))
        .isEqualTo("<devices><disk source=\"%s\" target=\"xvdb\"/></devices>".formatted(OLD));
    live().put("xvdc", "file:/c", true, Optional.empty());
    live().put("xvdb", NEW, false, Optional.of("fast"));
    assertThat(live().follows()).containsExactly(Map.entry("xvdb", "fast"));
    live().put("xvdb", "file:/b", false, Optional.empty());
    assertThat(text("live"))
        .isEqualTo(
            "<devices><disk readonly=\"yes\" source=\"file:/c\" target=\"xvdc\"/>"
                + "<disk source=\"file:/b\" target=\"xvdb\"/></devices>");
    assertThat(live().remove(DeviceId.disk("xvdb"))).isTrue();
    assertThat(live().remove(DeviceId.disk("xvdb"))).isFalse();
    assertThat(text("live"))
        .isEqualTo(
            "<devices><disk readonly=\"yes\" source=\"file:/c\" target=\"xvdc\"/></devices>");
  }

  @Test
  void aUsbPortStandsBesideTheDisks() throws Exception {
    has("live", "<devices><disk target=\"xvdb\" source=\"%s\"/></devices>".formatted(OLD));
    live().putUsb(1, "usb:port=3-1.2", true);
    live().putUsb(2, "usb:id=1209:0003", false);
    live().putUsb(1, "usb:port=3-4", true);
    String disk = "<disk source=\"%s\" target=\"xvdb\"/>".formatted(OLD);
    assertThat(text("live"))
        .isEqualTo(
            "<devices>%s<usb port=\"2\" source=\"usb:id=1209:0003\"/>".formatted(disk)
                + "<usb migrate=\"replug\" port=\"1\" source=\"usb:port=3-4\"/></devices>");
    assertThat(live().changeSource("usb1", "usb:port=3-4", "netchannel://hosta/usb/x")).isTrue();
    assertThat(text("live"))
        .contains("<usb migrate=\"replug\" port=\"1\" source=\"netchannel://hosta/usb/x\"/>");
    assertThat(live().changeSource("usb3", "usb:port=3-4", "netchannel://hosta/usb/x")).isFalse();
    assertThat(live().remove(DeviceId.usb(1))).isTrue();
    assertThat(live().remove(DeviceId.usb(1))).isFalse();
    assertThat(live().remove(DeviceId.disk("1"))).as("of another kind").isFalse();
    assertThat(live().remove(DeviceId.usb(2))).isTrue();
    assertThat(text("live")).isEqualTo("<devices>%s</devices>".formatted(disk));
  }
}
