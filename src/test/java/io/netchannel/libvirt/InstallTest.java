package io.netchannel.libvirt;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.jar.Attributes;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** xen-hooks/install and the launcher, with a jar that does not run: what is installed where. */
final class InstallTest {
  private static final Path HOOKS = Path.of("xen-hooks").toAbsolutePath();

  @TempDir Path directory;
  private Path destination;
  private Path jar;

  private record Result(int exitCode, String output) {}

  @BeforeEach
  void makeJar() throws Exception {
    destination = directory.resolve("root");
    jar = directory.resolve("some.jar");
    Manifest manifest = new Manifest();
    manifest.getMainAttributes().put(Attributes.Name.MANIFEST_VERSION, "1.0");
    try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar), manifest)) {
      out.finish();
    }
  }

  @Test
  void putsEveryFileWhereAHostLooksForIt() throws Exception {
    Result result = install();
    assertThat(result.exitCode()).as(result.output()).isZero();
    assertThat(installed())
        .containsExactlyInAnyOrder(
            "rw-r--r-- usr/share/netchannel/netchannel.jar",
            "rwxr-xr-x usr/bin/netchannel",
            "rwxr-xr-x etc/libvirt/hooks/libxl.d/50-netchannel",
            "rw-r--r-- lib/systemd/system/netchanneld.service",
            "rw-r--r-- etc/default/netchannel",
            "rw-r--r-- etc/netchannel/netchannel.toml");
    assertThat(destination.resolve("usr/share/netchannel/netchannel.jar"))
        .hasSameBinaryContentAs(jar);
    assertThat(result.output()).contains("no bash completion");
  }

  @Test
  void keepsTheConfigurationOfBefore() throws Exception {
    assertThat(install().exitCode()).isZero();
    Path configuration = destination.resolve("etc/netchannel/netchannel.toml");
    Files.writeString(configuration, "# mine\n");
    Files.writeString(destination.resolve("usr/bin/netchannel"), "old");
    assertThat(install().output()).contains("kept " + configuration);
    assertThat(configuration).hasContent("# mine\n");
    assertThat(destination.resolve("usr/bin/netchannel"))
        .hasSameTextualContentAs(HOOKS.resolve("netchannel"));
  }

  @Test
  void saysWhenThereIsNoJarOrAnArgumentIsWrong() throws Exception {
    Result noJar = run("install", "--destdir", destination.toString(), "--jar", "/no/such.jar");
    assertThat(noJar.exitCode()).isEqualTo(1);
    assertThat(noJar.output()).contains("/no/such.jar is not there", "mvn package");
    assertThat(run("install", "--prefix", "/usr").output()).contains("unknown argument: --prefix");
    assertThat(run("install", "--jar").output()).contains("--jar needs a value");
    assertThat(destination).doesNotExist();
  }

  @Test
  void theLauncherPassesArgumentsAndOptionsToJava() throws Exception {
    Path java = directory.resolve("java");
    Files.writeString(java, "#!/bin/sh\nprintf '[%s]' \"$@\"\n");
    Files.setPosixFilePermissions(java, PosixFilePermissions.fromString("rwxr-xr-x"));
    ProcessBuilder builder = command("netchannel", "status", "two words");
    builder.environment().put("JAVA", java.toString());
    builder.environment().put("JAVA_OPTS", "-Xmx1g -Da=b");
    builder.environment().put("NETCHANNEL_JAR", jar.toString());
    Result result = run(builder);
    assertThat(result.exitCode()).as(result.output()).isZero();
    assertThat(result.output())
        .contains("[-Xmx256m]")
        .endsWith("[-Xmx1g][-Da=b][-jar][" + jar + "][status][two words]");
    assertThat(result.output()).as("an unknown java gets no new option").doesNotContain("native");
  }

  /** Java's file names depend on it, whoever starts it: a shell, a service, cron. */
  @Test
  void fileNamesAreUtf8WhateverTheLocale() throws Exception {
    Path java = directory.resolve("java");
    Files.writeString(java, "#!/bin/sh\nprintf %s \"$LC_ALL\"\n");
    Files.setPosixFilePermissions(java, PosixFilePermissions.fromString("rwxr-xr-x"));
    for (String locale : List.of("", "C", "POSIX", "de_DE.ISO-8859-1")) {
      ProcessBuilder builder = command("netchannel", "status");
      builder.environment().put("JAVA", java.toString());
      builder.environment().put("NETCHANNEL_JAR", jar.toString());
      builder.environment().put("LC_ALL", locale);
      assertThat(run(builder)).isEqualTo(new Result(0, "C.UTF-8"));
    }
    assertThat(Files.readString(HOOKS.resolve("netchanneld.service")))
        .containsOnlyOnce("\nEnvironment=LC_ALL=C.UTF-8\n");
  }

  @Test
  void theLauncherSaysWhatIsMissing() throws Exception {
    ProcessBuilder builder = command("netchannel", "status");
    builder.environment().put("NETCHANNEL_JAR", directory.resolve("none.jar").toString());
    assertThat(run(builder))
        .isEqualTo(
            new Result(1, "netchannel: " + directory.resolve("none.jar") + " cannot be read\n"));
  }

  private Result install() throws Exception {
    return run("install", "--destdir", destination.toString(), "--jar", jar.toString());
  }

  private List<String> installed() throws Exception {
    List<String> found = new ArrayList<>();
    try (Stream<Path> all = Files.walk(destination)) {
      for (Path path : all.filter(Files::isRegularFile).toList()) {
        String permissions = PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
        found.add(permissions + " " + destination.relativize(path));
      }
    }
    return found;
  }

  private static ProcessBuilder command(String script, String... arguments) {
    List<String> command = new ArrayList<>(List.of(HOOKS.resolve(script).toString()));
    command.addAll(List.of(arguments));
    return new ProcessBuilder(command).redirectErrorStream(true);
  }

  private static Result run(String script, String... arguments) throws Exception {
    return run(command(script, arguments));
  }

  private static Result run(ProcessBuilder builder) throws Exception {
    Process process = builder.start();
    process.getOutputStream().close();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return new Result(process.waitFor(), output);
  }
}
