package io.netchannel;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableListMultimap;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Holds the arrows between the packages, which point one way only.
 *
 * <pre>
 *   cli -> demo -> rehearsal -> daemon -+-> coordinator, libvirt: know neither rings nor devices
 *                                       +-> midpoint -> vdevice -> xen
 *                                       |      |
 *                                       |      v
 *                                       +-> device <- server
 *   wire, tls: shared by device.remote and server; the coordinator's peers use tls, too
 *   time: for whatever waits; threads: those a process cannot do without; net: how addresses are written; text: what people wrote
 *   files: durable ones, private sockets, checksums; log: how what is logged gets out, for logback alone
 * </pre>
 *
 * A package may use itself, the packages under it, its parents and what {@link #ARROWS} names for
 * it; a package without a line of its own has the line of its nearest parent. To add a package, add
 * its line. An arrow that nobody uses any more is taken away: what is permitted is what is drawn.
 */
final class ArchitectureTest {
  private static final String ROOT = "io.netchannel";

  /** For every package: these know nothing of the product. */
  private static final ImmutableSet<String> HELPERS =
      ImmutableSet.of("time", "threads", "net", "text", "files");

  /** From a package to the packages that it may use, each with the packages under it. */
  private static final ImmutableMap<String, ImmutableSet<String>> ARROWS =
      ImmutableMap.<String, ImmutableSet<String>>builder()
          .put("xen", ImmutableSet.of())
          .put("vdevice", ImmutableSet.of("xen"))
          .put("tls", ImmutableSet.of())
          .put("time", ImmutableSet.of())
          .put("threads", ImmutableSet.of())
          .put("wire", ImmutableSet.of())
          .put("net", ImmutableSet.of())
          .put("device", ImmutableSet.of())
          .put("device.remote", ImmutableSet.of("wire", "tls"))
          .put("server", ImmutableSet.of("device", "wire", "tls"))
          .put("midpoint", ImmutableSet.of("vdevice", "device"))
          .put("midpoint.block", ImmutableSet.of("vdevice", "device"))
          .put("midpoint.usb", ImmutableSet.of("vdevice", "device"))
          .put("libvirt", ImmutableSet.of())
          .put("coordinator", ImmutableSet.of())
          .put("text", ImmutableSet.of())
          .put("files", ImmutableSet.of())
          .put("log", ImmutableSet.of())
          .put("coordinator.peer", ImmutableSet.of("tls"))
          .put(
              "daemon",
              ImmutableSet.of(
                  "coordinator",
                  "libvirt",
                  "midpoint",
                  "vdevice",
                  "xen",
                  "device",
                  "server",
                  "wire",
                  "tls"))
          .put(
              "rehearsal",
              ImmutableSet.of(
                  "daemon",
                  "coordinator",
                  "libvirt",
                  "midpoint",
                  "vdevice",
                  "xen",
                  "device",
                  "tls"))
          .put("demo", ImmutableSet.of("rehearsal", "coordinator", "vdevice", "device", "tls"))
          .put(
              "cli",
              ImmutableSet.of(
                  "demo",
                  "rehearsal",
                  "daemon",
                  "coordinator",
                  "libvirt",
                  "xen",
                  "device",
                  "server",
                  "wire",
                  "tls"))
          .buildOrThrow();

  /** From a package that only some may use to those packages; tests may use all. */
  private static final ImmutableListMultimap<String, String> RESERVED =
      ImmutableListMultimap.<String, String>builder()
          .put("xen.jna", "daemon")
          // A daemon warms its code with a rehearsal between two model hosts, beside the real one.
          // One that serves no guests wires its host to an empty one.
          .putAll("xen.embedded", "daemon", "rehearsal", "vdevice.block.frontend")
          .put("vdevice.block.frontend", "rehearsal")
          // What mid-points share knows no kind of device.
          .putAll("midpoint.block", "daemon", "rehearsal")
          .build();

  private static final JavaClasses PRODUCT =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .importPackages(ROOT);

  @Test
  void everyPackageHasALine() {
    assertThat(PRODUCT).as("classes of the product on the class path").isNotEmpty();
    classes()
        .should()
        .resideInAnyPackage(
            ARROWS.keySet().stream().map(ArchitectureTest::tree).toArray(String[]::new))
        .because("a package without a line in ARROWS has no place in the house")
        .check(PRODUCT);
  }

  static ImmutableSet<String> packages() {
    return ARROWS.keySet();
  }

  @ParameterizedTest
  @MethodSource("packages")
  void arrowsPointOneWay(String name) {
    classes()
        .that(
            describe("belong to " + name, candidate -> lineOf(candidate).equals(Optional.of(name))))
        .should()
        .onlyDependOnClassesThat(mayBeUsedBy(name))
        .allowEmptyShould(true)
        .check(PRODUCT);
  }

  @ParameterizedTest
  @MethodSource("packages")
  void everyArrowIsUsed(String name) {
    List<JavaClass> users =
        PRODUCT.stream().filter(candidate -> lineOf(candidate).equals(Optional.of(name))).toList();
    assertThat(users).as("classes of package " + name).isNotEmpty();
    for (String target : ARROWS.get(name)) {
      assertThat(users.stream().anyMatch(user -> uses(user, target)))
          .as("a class of %s uses %s; if none does, take the arrow away", name, target)
          .isTrue();
    }
  }

  static ImmutableSet<String> reserved() {
    return RESERVED.keySet();
  }

  @ParameterizedTest
  @MethodSource("reserved")
  void reservedPackagesAreUsedByTheirUsersOnly(String name) {
    String[] users = RESERVED.get(name).stream().map(ArchitectureTest::tree).toArray(String[]::new);
    noClasses()
        .that()
        .resideOutsideOfPackages(users)
        .and()
        .resideOutsideOfPackage(tree(name))
        .should()
        .dependOnClassesThat()
        .resideInAPackage(tree(name))
        .allowEmptyShould(true)
        .check(PRODUCT);
  }

  @ParameterizedTest
  @MethodSource("reserved")
  void everyReservationIsUsed(String name) {
    for (String user : RESERVED.get(name)) {
      assertThat(
              PRODUCT.stream()
                  .anyMatch(candidate -> isIn(candidate, user) && uses(candidate, name)))
          .as("a class of %s uses %s; if none does, take the reservation away", user, name)
          .isTrue();
    }
  }

  @Test
  void packagesHaveNoCycles() {
    slices()
        .matching(ROOT + ".(*)..")
        .should()
        .beFreeOfCycles()
        .allowEmptyShould(true)
        .check(PRODUCT);
  }

  @Test
  void onlyTheLibvirtPackageKnowsLibvirtsBinding() {
    noClasses()
        .that()
        .resideOutsideOfPackage(tree("libvirt"))
        .should()
        .dependOnClassesThat()
        .resideInAPackage("org.libvirt..")
        .allowEmptyShould(true)
        .check(PRODUCT);
  }

  private static boolean uses(JavaClass user, String name) {
    return user.getDirectDependenciesFromSelf().stream()
        .anyMatch(dependency -> isIn(dependency.getTargetClass(), name));
  }

  private static boolean isIn(JavaClass candidate, String name) {
    return resideInAnyPackage(tree(name)).test(candidate);
  }

  private static DescribedPredicate<JavaClass> mayBeUsedBy(String name) {
    String family = name.split("\\.", 2)[0];
    String[] allowed =
        Stream.of(ARROWS.get(name), HELPERS, ImmutableSet.of(family))
            .flatMap(Set::stream)
            .map(ArchitectureTest::tree)
            .toArray(String[]::new);
    return resideInAnyPackage(allowed)
        .or(DescribedPredicate.not(resideInAnyPackage(ROOT + "..")))
        .as("belong to %s or to one of %s", family, ARROWS.get(name));
  }

  /** The line that holds for a class: that of its package or of the nearest parent with a line. */
  private static Optional<String> lineOf(JavaClass candidate) {
    return ARROWS.keySet().stream()
        .filter(name -> resideInAnyPackage(tree(name)).test(candidate))
        .max(Comparator.comparingInt(String::length));
  }

  /** ArchUnit's notation for a package and all under it. */
  private static String tree(String name) {
    return ROOT + "." + name + "..";
  }
}
