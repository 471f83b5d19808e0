package io.netchannel.xen.jna;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/** What must be there before Xen can be used, and what to do when it is not. */
final class XenRequirements {
  private final Path root;
  private final Predicate<String> libraryPresent;

  /**
   * @param root where the absolute paths begin: "/" but for tests
   * @param libraryPresent whether the dynamic linker finds a library
   */
  XenRequirements(Path root, Predicate<String> libraryPresent) {
    this.root = root;
    this.libraryPresent = libraryPresent;
  }

  /** One sentence for each thing that is missing; none when Xen can be used. */
  List<String> problems() {
    List<String> problems = new ArrayList<>();
    checkControlDomain(problems);
    checkLibrary(problems, LibXenStore.LIBRARY, LibXenStore.DEBIAN_PACKAGE);
    checkLibrary(problems, LibXenGnttab.LIBRARY, LibXenGnttab.DEBIAN_PACKAGE);
    checkLibrary(problems, LibXenEvtchn.LIBRARY, LibXenEvtchn.DEBIAN_PACKAGE);
    checkDevice(problems, "/dev/xen/gntdev", "xen-gntdev");
    checkDevice(problems, "/dev/xen/evtchn", "xen-evtchn");
    if (!exists("/run/xenstored/socket") && !exists("/dev/xen/xenbus")) {
      problems.add(
          "neither /run/xenstored/socket nor /dev/xen/xenbus is there: start xenstored"
              + " (systemctl start xenstored; package xen-utils-common)");
    }
    return List.copyOf(problems);
  }

  private void checkControlDomain(List<String> problems) {
    String file = "/proc/xen/capabilities";
    String capabilities;
    try {
      capabilities = Files.readString(resolve(file)).strip();
    } catch (IOException e) {
      problems.add(
          file
              + " is missing: this is not a Xen dom0; boot this machine under Xen (package"
              + " xen-system-amd64), or mount -t xenfs xenfs /proc/xen when it is");
      return;
    }
    if (!capabilities.contains("control_d")) {
      problems.add(
          "%s says '%s', expected 'control_d': this is a Xen guest, not a dom0; run the daemon in dom0"
              .formatted(file, capabilities));
    }
  }

  private void checkLibrary(List<String> problems, String library, String debianPackage) {
    if (!libraryPresent.test(library)) {
      problems.add(NativeLibraries.missing(library, debianPackage));
    }
  }

  private void checkDevice(List<String> problems, String device, String module) {
    if (!exists(device)) {
      problems.add("%s is missing: modprobe %s".formatted(device, module));
    }
  }

  private boolean exists(String path) {
    return Files.exists(resolve(path));
  }

  private Path resolve(String path) {
    return root.resolve(path.substring(1));
  }
}
