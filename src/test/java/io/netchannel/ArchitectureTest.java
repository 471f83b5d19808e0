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
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Holds the arrows between the packages, which point one way only.
 *
 * <pre>
 *   cli -> daemon -> coordinator -> midpoint -> vdevice -> xen
 *                         |            |
 *                         |            +-----> device <- server
 *                         +-> libvirt          wire (shared by device.remote and server)
 *
 *   net: how servers' addresses are written, for coordinator and device
 * </pre>
 *
 * A package may use itself, the packages under it, its parents and what {@link #ARROWS} names for
 * it; a package without a line of its own has the line of its nearest parent. To add a package, add
 * its line.
 */
final class ArchitectureTest {
  private static final String ROOT = "io.netchannel";

  /** Everything that serves or migrates devices: what wires the product may use all of it. */
  private static final ImmutableSet<String> ENGINE =
      ImmutableSet.of(
          "coordinator",
          "midpoint",
          "vdevice",
          "xen",
          "device",
          "server",
          "wire",
          "net",
          "libvirt",
          "tls");

  /** From a package to the packages that it may use, each with the packages under it. */
  private static final ImmutableMap<String, ImmutableSet<String>> ARROWS =
      ImmutableMap.<String, ImmutableSet<String>>builder()
          .put("xen", ImmutableSet.of())
          .put("vdevice", ImmutableSet.of("xen"))
          .put("tls", ImmutableSet.of())
          .put("wire", ImmutableSet.of())
          .put("net", ImmutableSet.of())
          .put("device", ImmutableSet.of("net"))
          .put("device.remote", ImmutableSet.of("wire", "tls", "net"))
          .put("server", ImmutableSet.of("device", "wire", "tls"))
          .put("midpoint", ImmutableSet.of("vdevice", "device"))
          .put("libvirt", ImmutableSet.of())
          .put("coordinator", ImmutableSet.of("midpoint", "libvirt", "tls", "net"))
          .put("metrics", ENGINE)
          .put("daemon", with(ENGINE, "metrics"))
          .put("rehearsal", with(ENGINE, "daemon"))
          .put("demo", with(ENGINE, "metrics", "daemon", "rehearsal"))
          .put("cli", with(ENGINE, "metrics", "daemon", "rehearsal", "demo"))
          .buildOrThrow();

  /** From a package that only some may use to those packages; tests may use all. */
  private static final ImmutableListMultimap<String, String> RESERVED =
      ImmutableListMultimap.<String, String>builder()
          .putAll("xen.jna", "daemon", "demo")
          // A daemon warms its code with a rehearsal between two model hosts, beside the real one.
          // One that serves no guests wires its host to an empty one.
          .putAll("xen.embedded", "daemon", "rehearsal", "demo", "vdevice.block.frontend")
          .putAll("vdevice.block.frontend", "rehearsal", "demo")
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

  private static DescribedPredicate<JavaClass> mayBeUsedBy(String name) {
    String family = name.split("\\.", 2)[0];
    String[] allowed =
        with(ARROWS.get(name), family).stream().map(ArchitectureTest::tree).toArray(String[]::new);
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

  private static ImmutableSet<String> with(ImmutableSet<String> names, String... more) {
    return ImmutableSet.<String>builder().addAll(names).add(more).build();
  }
}
