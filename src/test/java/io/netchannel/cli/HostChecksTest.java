package io.netchannel.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.cli.Finding.Level;
import io.netchannel.daemon.DaemonConfiguration;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is looked at in a host's files. */
final class HostChecksTest {
  @TempDir private Path root;

  private void put(String path, String content) throws IOException {
    Path file = root.resolve(path);
    Files.createDirectories(file.getParent());
    Files.writeString(file, content);
  }

  private List<Finding> xen() {
    List<Finding> findings = new ArrayList<>();
    new HostChecks(root, findings::add).xen();
    return findings;
  }

  private void aGoodDom0() throws IOException {
    put("proc/xen/capabilities", "control_d\n");
    put("dev/xen/gntdev", "");
    put("dev/xen/evtchn", "");
    for (String library :
        List.of(
            "libxenstore.so.4",
            "libxengnttab.so.1",
            "libxenevtchn.so.1",
            "libxencall.so.1",
            "libxenforeignmemory.so.1")) {
      put("usr/lib/x86_64-linux-gnu/" + library, "");
    }
  }

  @Test
  void aGoodDom0HasAllThatXenNeeds() throws IOException {
    aGoodDom0();
    assertThat(xen()).extracting(Finding::level).containsOnly(Level.OK);
  }

  @ParameterizedTest
  @CsvSource({
    "libxencall.so.1, libxencall1, slower",
    "libxenforeignmemory.so.1, libxenforeignmemory1, a USB port"
  })
  void aMissingLibraryIsAFailureUnlessItIsOnlyWorseWithoutIt(
      String library, String debianPackage, String consequence) throws IOException {
    aGoodDom0();
    Files.delete(root.resolve("usr/lib/x86_64-linux-gnu/" + library));
    assertThat(xen())
        .filteredOn(found -> found.level() != Level.OK)
        .singleElement()
        .satisfies(
            found -> {
              assertThat(found.level()).isEqualTo(Level.WARN);
              assertThat(found.detail())
                  .contains(library, "apt-get install " + debianPackage, consequence);
            });
    Files.delete(root.resolve("usr/lib/x86_64-linux-gnu/libxenstore.so.4"));
    assertThat(xen())
        .filteredOn(found -> found.level() == Level.FAIL)
        .singleElement()
        .satisfies(found -> assertThat(found.detail()).contains("apt-get install libxenstore4"));
  }

  private Finding netcat() {
    List<Finding> findings = new ArrayList<>();
    new HostChecks(root, findings::add).netcat();
    assertThat(findings).hasSize(1);
    return findings.get(0);
  }

  private void putNetcat(String script) throws IOException {
    put("usr/bin/nc", "#!/bin/sh\n" + script + "\n");
    assertThat(root.resolve("usr/bin/nc").toFile().setExecutable(true)).isTrue();
  }

  @Test
  void anNcWithUnixSocketsAndAHalfCloseIsFound() throws IOException {
    putNetcat("printf 'usage: nc\\n\\t\\t-N\\t\\tShutdown\\n\\t\\t-U\\t\\tUse UNIX\\n' >&2");
    assertThat(netcat().level()).isEqualTo(Level.OK);
  }

  @Test
  void noNcAnotherOneOrABrokenOneIsAFailure() throws IOException {
    assertThat(netcat().detail()).contains("nc is missing", "apt-get install netcat-openbsd");
    putNetcat("printf '[v1.10]\\n\\t-u\\t\\t\\tUDP mode\\n'; exit 1");
    assertThat(netcat().detail())
        .contains("usr/bin/nc does not know -U", "apt-get install netcat-openbsd");
    putNetcat("printf 'Ncat 7.93\\n  -U, --unixsock\\n  -U Unix\\n'");
    assertThat(netcat().detail()).contains("does not know -N");
    put("usr/bin/nc", "#!/not/there\n");
    assertThat(netcat().detail()).contains("cannot be run", "apt-get install netcat-openbsd");
    assertThat(netcat().level()).isEqualTo(Level.FAIL);
  }

  @Test
  void anExportWhoseNameTheLocaleCannotWriteIsAFailure() throws Exception {
    DaemonConfiguration configuration =
        DaemonConfiguration.parse(
            "c.toml", "[[export]]\nname = \"e\"\nsource = \"file:/srv/\\u0000\"\n");
    List<Finding> findings = new ArrayList<>();
    new HostChecks(root, findings::add).exports(configuration);
    assertThat(findings)
        .singleElement()
        .satisfies(
            found -> {
              assertThat(found.level()).isEqualTo(Level.FAIL);
              assertThat(found.detail()).contains("has a NUL character", "[[export]]");
            });
  }
}
