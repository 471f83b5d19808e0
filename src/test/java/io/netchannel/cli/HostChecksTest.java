package io.netchannel.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.cli.Finding.Level;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

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
        List.of("libxenstore.so.4", "libxengnttab.so.1", "libxenevtchn.so.1", "libxencall.so.1")) {
      put("usr/lib/x86_64-linux-gnu/" + library, "");
    }
  }

  @Test
  void aGoodDom0HasAllThatXenNeeds() throws IOException {
    aGoodDom0();
    assertThat(xen()).extracting(Finding::level).containsOnly(Level.OK);
  }

  @Test
  void aMissingLibraryIsAFailureUnlessItIsOnlySlowerWithoutIt() throws IOException {
    aGoodDom0();
    Files.delete(root.resolve("usr/lib/x86_64-linux-gnu/libxencall.so.1"));
    assertThat(xen())
        .filteredOn(found -> found.level() != Level.OK)
        .singleElement()
        .satisfies(
            found -> {
              assertThat(found.level()).isEqualTo(Level.WARN);
              assertThat(found.detail())
                  .contains("libxencall.so.1", "apt-get install libxencall1", "slower");
            });
    Files.delete(root.resolve("usr/lib/x86_64-linux-gnu/libxenstore.so.4"));
    assertThat(xen())
        .filteredOn(found -> found.level() == Level.FAIL)
        .singleElement()
        .satisfies(found -> assertThat(found.detail()).contains("apt-get install libxenstore4"));
  }
}
