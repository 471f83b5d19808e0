package io.netchannel.libvirt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.libvirt.DomainDevices.Disk;
import io.netchannel.libvirt.DomainDevices.Usb;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class DomainXmlParserTest {
  private static final String UUID_TEXT = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0";

  /** As libvirt 9.0 gives it to a hook: prefixes are its own, other metadata is there, too. */
  private static final String DOMAIN =
      """
      <domain type='xen' id='3'>
        <name>guest one</name>
        <uuid>%s</uuid>
        <metadata>
          <app:info xmlns:app='http://example.org/app'><app:disk target='xvdz'/></app:info>
          %s
        </metadata>
        <memory unit='KiB'>131072</memory>
        <devices>
          <disk type='block' device='disk'>
            <driver name='phy' type='raw'/>
            <source dev='/dev/vdb'/>
            <target dev='xvda' bus='xen'/>
          </disk>
          <disk type='file' device='disk'>
            <source file='/srv/stock.raw'/>
            <target dev='xvdd' bus='xen'/>
            <readonly/>
          </disk>
          <disk type='network' device='disk'>
            <source protocol='rbd' name='pool/vol'/>
            <target dev='xvde' bus='xen'/>
          </disk>
        </devices>
      </domain>
      """;

  private static String domain(String metadata) {
    return DOMAIN.formatted(UUID_TEXT, metadata);
  }

  private static String disks(String disks) {
    return domain(
        "<n:devices xmlns:n='" + DomainXmlParser.NAMESPACE + "'>" + disks + "</n:devices>");
  }

  @Test
  void readsTheDisksByNamespaceWhateverThePrefix() throws Exception {
    String xml =
        domain(
            """
            <ns0:devices xmlns:ns0='https://netchannel.io/domain/1'>
              <!-- two of ours -->
              <ns0:disk target='xvdb' source='delay:read=1ms!file:/dev/vdb' readonly='yes'/>
              <disk xmlns='https://netchannel.io/domain/1' target='xvda' source='inherit'/>
              <ns0:disk target='xvdd' source='inherit'/>
            </ns0:devices>
            """);
    DomainDevices devices = DomainXmlParser.parse(xml);
    assertThat(devices.name()).isEqualTo("guest one");
    assertThat(devices.uuid()).isEqualTo(UUID.fromString(UUID_TEXT));
    assertThat(devices.domid()).hasValue(3);
    assertThat(devices.disks())
        .containsExactly(
            new Disk("xvdb", "delay:read=1ms!file:/dev/vdb", true),
            new Disk("xvda", Disk.INHERIT, false),
            new Disk("xvdd", Disk.INHERIT, true));
  }

  /** The ways in which tools write the same. */
  @Test
  void readsWhatXmlAllows() throws Exception {
    String xml =
        """
        <?xml version='1.0' encoding='UTF-16'?>
        <domain type='xen'>
          <name><![CDATA[a <%%s> ]]><!-- in between -->name</name>
          <uuid>%s</uuid>
          <metadata>
            <devices xmlns='https://netchannel.io/domain/1'>
              <?editor fold?>
              <disk target='xvd&#x62;' source='file:/srv/a&amp;b &#252;.raw'/>
            </devices>
            <o:note xmlns:o='http://example.org/other' target='xvdz'/>
          </metadata>
        </domain>
        """
            .formatted(UUID_TEXT);
    DomainDevices devices = DomainXmlParser.parse(xml);
    assertThat(devices.name()).isEqualTo("a <%s> name");
    assertThat(devices.disks())
        .containsExactly(new Disk("xvdb", "file:/srv/a&b \u00fc.raw", false));
  }

  @Test
  void aDomainWithoutOurMetadataHasNone() throws Exception {
    assertThat(DomainXmlParser.parse(domain("")).disks()).isEmpty();
    String bare = "<domain><name>g</name><uuid>" + UUID_TEXT + "</uuid></domain>";
    assertThat(DomainXmlParser.parse(bare).domid()).isEmpty();
    assertThat(DomainXmlParser.parse(bare.replace("<domain>", "<domain id='-1'>")).domid())
        .isEmpty();
  }

  @Test
  void listsStockDisks() throws Exception {
    assertThat(DomainXmlParser.stockDisks(domain("")))
        .containsExactly(
            new StockDisk("xvda", "block", "/dev/vdb", false),
            new StockDisk("xvdd", "file", "/srv/stock.raw", true),
            new StockDisk("xvde", "network", "", false));
  }

  @Test
  void aDiskMayFollowItsGuest() throws Exception {
    assertThat(
            DomainXmlParser.parse(
                    disks("<n:disk target='xvdb' source='netchannel://a/b' follow=' fast '/>"))
                .disks())
        .containsExactly(
            new DomainDevices.Disk("xvdb", "netchannel://a/b", false, Optional.of("fast")));
  }

  @Test
  void aDiskWithTwoLegs() throws Exception {
    DomainDevices devices =
        DomainXmlParser.parse(
            disks(
                "<n:disk target='xvdb'><n:leg source=' netchannel://hosta/web1'/>"
                    + "<n:leg source='netchannel://hostb/web1'/></n:disk>"));
    assertThat(devices.disks())
        .containsExactly(
            new Disk("xvdb", "mirror:netchannel://hosta/web1,netchannel://hostb/web1", false));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "<n:disk source='file:/a'/> | has no target=",
        "<n:disk target='xvdb'/> | disk xvdb has no source=",
        "<n:disk target='xvdb' source=' '/> | disk xvdb has no source=",
        "<n:disk target='hda' source='file:/a'/> | hda is no Xen disk",
        "<n:disk target='xvdb1' source='file:/a'/> | xvdb1 is a partition",
        "<n:disk target='xvda' source='file:/a'/> | xvda is also a <disk>",
        "<n:disk target='xvdc' source='inherit'/> | there are: xvda, xvdd, xvde",
        "<n:disk target='xvde' source='inherit'/> | <disk type=\"network\"> is no block device",
        "<n:disk target='xvdb' source='file:/a' cache='no'/> | attribute cache of <disk> is"
            + " unknown",
        "<n:disk target='xvdb' source='file:/a' readonly='1'/> | neither \"yes\" nor \"no\"",
        "<n:disk target='xvdb' source='file:/a' follow=''/> | follow= names no pool",
        "<n:disk target='xvdb' source='file:/a' follow='p' readonly='yes'/> | is written to; leave",
        "<n:disk target='xvda' source='inherit' follow='p'/> | a disk of Netchannel's own",
        "<n:disk target='xvdb'><n:leg source='netchannel://a/w'/></n:disk> | expected two different"
            + " legs",
        "<n:disk target='xvdb'><n:leg source='netchannel://a/w'/><n:leg/></n:disk> | expected two",
        "<n:disk target='xvdb'><n:leg source='netchannel://a/w'/><n:leg source='netchannel://a/w'/>"
            + "</n:disk> | expected two different legs",
        "<n:disk target='xvdb' source='file:/a'><n:leg source='netchannel://a/w'/><n:leg"
            + " source='netchannel://b/w'/></n:disk> | two legs and a source=",
        "<n:disk target='xvdb' readonly='yes'><n:leg source='netchannel://a/w'/><n:leg"
            + " source='netchannel://b/w'/></n:disk> | has two legs: it is written to",
        "<n:disk target='xvdb' follow='p'><n:leg source='netchannel://a/w'/><n:leg"
            + " source='netchannel://b/w'/></n:disk> | follows nobody",
        "<n:disk target='xvdb' follow='p' source='mirror:netchannel://a/w,netchannel://b/w'/> |"
            + " has two legs",
        "<n:disk target='xvdb' readonly='yes' source='mirror:netchannel://a/w,netchannel://b/w'/> |"
            + " has two legs",
        "<n:disk target='xvdb'><n:leg source='netchannel://a/w' cache='no'/></n:disk> | attribute"
            + " cache of <leg> is unknown",
        "<n:disk target='xvdb' source='file:/a'><n:foot/></n:disk> | <n:foot> is unknown in it",
        "<n:tape port='1'/> | <n:tape> is unknown",
        "<disk target='xvdb' source='file:/a'/> | <disk> is unknown",
        "<n:disk target='xvdb' source='file:/a'/><n:disk target='xvdb' source='file:/b'/>"
            + " | xvdb is given to two",
      })
  void namesTheDomainAndWhatIsWrong(String disk, String words) {
    assertThatThrownBy(() -> DomainXmlParser.parse(disks(disk)))
        .isInstanceOf(DomainXmlException.class)
        .hasMessageStartingWith("domain guest one: ")
        .hasMessageContaining(words);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "<n:device xmlns:n='https://netchannel.io/domain/1'/> | <device> is unknown in <metadata>",
        "<n:devices xmlns:n='https://netchannel.io/domain/2'/> | domain/2\" is not known here",
        "<n:devices xmlns:n='https://netchannel.io/domain/1'/>"
            + "<m:devices xmlns:m='https://netchannel.io/domain/1'/> | <devices> is there 2 times",
      })
  void refusesMetadataOfOursThatItDoesNotKnow(String metadata, String words) {
    assertThatThrownBy(() -> DomainXmlParser.parse(domain(metadata)))
        .isInstanceOf(DomainXmlException.class)
        .hasMessageStartingWith("domain guest one: ")
        .hasMessageContaining(words);
  }

  /** Ignored, each would start the guest without its disks. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "http://netchannel.io/domain/1",
        "https://netchannel.io/domain/1/",
        "https://netchannel.io/domain/10",
        "https://netchannel.io/Domain/1",
        "https://netchannel.io",
        "https://NetChannel.IO/domain/1",
        "HTTPS://netchannel.io/domain/1",
        "https://www.netchannel.io/domain/1",
        "https://netchannel.io./domain/1",
        "https://netchannel.io:443/domain/1",
        "https://me@netchannel.io/domain/1",
        "//netchannel.io/domain/1",
        "netchannel.io/domain/1",
        "https:/netchannel.io/domain/1",
        " https://netchannel.io/domain/1",
        "https://netchannel.io/domain/1 ",
        "https://netchannel.io?domain=1",
        "https://netchannel.io#1",
      })
  void refusesANamespaceThatIsNearlyOurs(String namespace) {
    String metadata =
        "<n:devices xmlns:n='%s'><n:disk target='xvdb' source='file:/d'/></n:devices>"
            .formatted(namespace);
    assertThatThrownBy(() -> DomainXmlParser.parse(domain(metadata)))
        .isInstanceOf(DomainXmlException.class)
        .hasMessage(
            "domain guest one: namespace \"%s\" is not known here; expected \"%s\"",
            namespace, DomainXmlParser.NAMESPACE);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "https://example.org/netchannel.io/domain/1",
        "https://netchannel.io.example.org/domain/1",
        "https://netchannel.iota/domain/1",
        "https://notnetchannel.io/domain/1",
        "https://netchannel-io/domain/1",
        "urn:netchannel",
      })
  void leavesOthersMetadataAlone(String namespace) throws Exception {
    String metadata = "<n:devices xmlns:n='%s'><n:disk/></n:devices>".formatted(namespace);
    assertThat(DomainXmlParser.parse(domain(metadata)).disks()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "  \n",
        "no xml",
        "<domain><name>g</name>",
        "<network><name>n</name></network>",
        "<domain><uuid>4dea22b3-1d52-d8f3-2516-782e98ab3fa0</uuid></domain>",
        "<domain><name>g</name><uuid>seven</uuid></domain>",
        "<domain><name>g</name></domain>",
        "<domain id='x'><name>g</name><uuid>4dea22b3-1d52-d8f3-2516-782e98ab3fa0</uuid></domain>",
      })
  void refusesWhatIsNoDomain(String xml) {
    assertThatThrownBy(() -> DomainXmlParser.parse(xml)).isInstanceOf(DomainXmlException.class);
  }

  @Test
  void readsNoOtherFileAndExpandsNothing(@TempDir Path directory) throws Exception {
    Path secret = directory.resolve("secret");
    Files.writeString(secret, "s3cret");
    String external =
        "<!DOCTYPE domain [<!ENTITY x SYSTEM '%s'>]><domain><name>&x;</name><uuid>%s</uuid></domain>"
            .formatted(secret.toUri(), UUID_TEXT);
    String bomb =
        "<!DOCTYPE d [<!ENTITY a 'aaaaaaaa'><!ENTITY b"
            + " '&a;&a;&a;'>]><domain><name>&b;</name></domain>";
    for (String xml : new String[] {external, bomb}) {
      assertThatThrownBy(() -> DomainXmlParser.parse(xml))
          .isInstanceOf(DomainXmlException.class)
          .hasMessageContaining("DOCTYPE")
          .hasMessageNotContaining("s3cret");
    }
  }

  @Test
  void readsUsbPortsBesideDisks() throws Exception {
    DomainDevices devices =
        DomainXmlParser.parse(
            disks(
                "<n:usb port='2' source=' usb:id=1209:0003,serial=NC42 '/>"
                    + "<n:disk target='xvdb' source='file:/dev/vdb'/>"
                    + "<n:usb port='31' source='netchannel://hostb/usb/stick' migrate='replug'/>"
                    + "<n:usb port='3' source='usb:port=3-1' migrate='keep'/>"));
    assertThat(devices.usb())
        .containsExactly(
            new Usb(2, "usb:id=1209:0003,serial=NC42"),
            new Usb(31, "netchannel://hostb/usb/stick", true),
            new Usb(3, "usb:port=3-1", false));
    assertThat(devices.disks()).extracting(Disk::target).containsExactly("xvdb");
    assertThat(devices.hasAny()).isTrue();
    assertThat(DomainXmlParser.parse(disks("<n:usb port='1' source='usb:port=3-1'/>")).hasAny())
        .as("USB alone")
        .isTrue();
    assertThat(DomainXmlParser.parse(disks("")).hasAny()).isFalse();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "<n:usb source='usb:port=3-1'/> | expected a port from 1 to 31",
        "<n:usb port='0' source='usb:port=3-1'/> | <usb port=\"0\">: expected a port from 1 to 31",
        "<n:usb port='32' source='usb:port=3-1'/> | expected a port from 1 to 31",
        "<n:usb port='3-1' source='usb:port=3-1'/> | expected a port from 1 to 31",
        "<n:usb port='99999999999' source='usb:port=3-1'/> | expected a port from 1 to 31",
        "<n:usb port='1' source=' '/> | USB port 1 has no source=",
        "<n:usb port='1'/> | USB port 1 has no source=",
        "<n:usb port='1' source='a:b' readonly='yes'/> | attribute readonly of <usb> is unknown",
        "<n:usb port='1' source='a:b' migrate='no'/> | migrate=\"no\" is neither \"keep\" nor",
        "<n:usb port='1' source='a:b'><n:leg/></n:usb> | <n:leg> is unknown in it",
        "<n:usb port='1' source='a:b'/><n:usb port='1' source='a:c'/> | given to two devices",
        "<usb port='1' source='a:b'/> | expected <disk target= source=> or <usb port= source=>"
      })
  void usbPortsThatAreNotRightAreRefused(String devices, String words) {
    assertThatThrownBy(() -> DomainXmlParser.parse(disks(devices)))
        .isInstanceOf(DomainXmlException.class)
        .hasMessageStartingWith("domain guest one: ")
        .hasMessageContaining(words);
  }
}
