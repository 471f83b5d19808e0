package io.netchannel.xen.jna;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class XenRequirementsTest {
  @TempDir Path root;

  @BeforeEach
  void aGoodDom0() throws IOException {
    put("proc/xen/capabilities", "control_d\n");
    put("dev/xen/gntdev", "");
    put("dev/xen/evtchn", "");
    put("dev/xen/xenbus", "");
    put("run/xenstored/socket", "");
  }

  private void put(String path, String content) throws IOException {
    Path file = root.resolve(path);
    Files.createDirectories(file.getParent());
    Files.writeString(file, content);
  }

  private List<String> problems() {
    return new XenRequirements(root, library -> true).problems();
  }

  @Test
  void nothingIsMissingInAGoodDom0() {
    assertThat(problems()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "proc/xen/capabilities, not a Xen dom0",
    "dev/xen/gntdev, modprobe xen-gntdev",
    "dev/xen/evtchn, modprobe xen-evtchn"
  })
  void aMissingFileIsNamedWithWhatToDo(String file, String advice) throws IOException {
    Files.delete(root.resolve(file));
    assertThat(problems()).singleElement().asString().contains("/" + file).contains(advice);
  }

  @Test
  void oneWayToXenstoreIsEnough() throws IOException {
    Files.delete(root.resolve("dev/xen/xenbus"));
    assertThat(problems()).isEmpty();
    Files.delete(root.resolve("run/xenstored/socket"));
    assertThat(problems())
        .singleElement()
        .asString()
        .contains("/run/xenstored/socket", "/dev/xen/xenbus", "start xenstored");
    put("dev/xen/xenbus", "");
    assertThat(problems()).isEmpty();
  }

  @Test
  void aGuestIsNotADom0() throws IOException {
    put("proc/xen/capabilities", "\n");
    assertThat(problems()).singleElement().asString().contains("expected 'control_d'", "guest");
  }

  @ParameterizedTest
  @CsvSource({
    "libxenstore.so.4, libxenstore4",
    "libxengnttab.so.1, libxengnttab1",
    "libxenevtchn.so.1, libxenevtchn1"
  })
  void aMissingLibraryIsNamedWithItsPackage(String library, String debianPackage) {
    assertThat(new XenRequirements(root, name -> !name.equals(library)).problems())
        .singleElement()
        .asString()
        .contains(library, debianPackage);
  }

  @Test
  void allThatIsMissingIsToldAtOnce() {
    assertThat(new XenRequirements(root.resolve("nothing"), name -> false).problems()).hasSize(7);
  }
}
