package io.netchannel.containers;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.github.dockerjava.api.DockerClient;
import com.github.dockerjava.api.exception.NotFoundException;
import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import org.testcontainers.DockerClientFactory;
import org.testcontainers.images.builder.ImageFromDockerfile;

/**
 * The image of all hosts: the Debian of {@code .ci/containers.sh} with the product of this build.
 */
final class HostImage {
  /** On all that these tests make in Docker, so that .ci/test finds what a killed run left. */
  static final String LABEL = "io.netchannel.test";

  /** As in .ci/containers.sh. */
  private static final String BASE = "netchannel-host-base:bookworm";

  private static final String NAME = "netchannel-host:test";
  private static final String REMEDY =
      "; run .ci/test, which installs and starts Docker and makes the image";

  private static final Path JAR = Path.of("target/netchannel.jar");
  private static final Path STAGE = Path.of("target/containers/root");
  private static final Path SCRIPTS = Path.of("src/test/containers");

  private static final String DOCKERFILE =
      """
      FROM %s
      LABEL %s=image
      COPY root/ /
      ENTRYPOINT ["/usr/local/sbin/host"]
      """
          .formatted(BASE, LABEL);

  private static final Path TOOLS = Path.of("target/test-classes/io/netchannel/containers/tool");
  private static final String TOOL_PACKAGE = "io.netchannel.containers.tool.";

  private static boolean made;

  private HostImage() {}

  /** The command in a host that runs a class of package {@code tool}. */
  static String tool(String name) {
    return "java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
        + " -cp /opt/tools:/usr/share/netchannel/netchannel.jar "
        + toolClass(name);
  }

  /** Full name of a class of package {@code tool}, by which its process can be found. */
  static String toolClass(String name) {
    return TOOL_PACKAGE + name;
  }

  /** Docker on this machine; fails with what to do when there is none. */
  static DockerClient docker() {
    try {
      return DockerClientFactory.instance().client();
    } catch (IllegalStateException e) {
      throw new AssertionError("expected Docker, found none that answers" + REMEDY, e);
    }
  }

  /** The image's name; it is made at the first call. */
  static synchronized String name() {
    if (!made) {
      make();
      made = true;
    }
    return NAME;
  }

  private static void make() {
    try {
      docker().inspectImageCmd(BASE).exec();
    } catch (NotFoundException e) {
      throw new AssertionError("expected the image %s in Docker".formatted(BASE) + REMEDY, e);
    }
    if (!Files.exists(JAR)) {
      throw new AssertionError(JAR + " is missing: it is made by mvn package");
    }
    try {
      stage();
    } catch (IOException e) {
      throw new AssertionError("cannot make " + STAGE, e);
    }
    new ImageFromDockerfile(NAME, false)
        .withFileFromString("Dockerfile", DOCKERFILE)
        .withFileFromPath("root", STAGE)
        .get();
  }

  private static void stage() throws IOException {
    if (Files.exists(STAGE)) {
      MoreFiles.deleteRecursively(STAGE, RecursiveDeleteOption.ALLOW_INSECURE);
    }
    Files.createDirectories(STAGE.resolve("usr/local/sbin"));
    run("xen-hooks/install", "--destdir", STAGE.toString(), "--jar", JAR.toString());
    // /lib is a link in the image, which a directory would replace.
    Files.createDirectories(STAGE.resolve("usr/lib"));
    Files.move(STAGE.resolve("lib/systemd"), STAGE.resolve("usr/lib/systemd"));
    Files.delete(STAGE.resolve("lib"));
    Files.copy(
        SCRIPTS.resolve("host"),
        STAGE.resolve("usr/local/sbin/host"),
        StandardCopyOption.COPY_ATTRIBUTES);
    Path tools = STAGE.resolve("opt/tools").resolve(TOOL_PACKAGE.replace('.', '/'));
    Files.createDirectories(tools);
    for (Path each : MoreFiles.listFiles(TOOLS)) {
      Files.copy(each, tools.resolve(each.getFileName()));
    }
    Path shims = Files.createDirectories(STAGE.resolve("usr/local/lib/fakexen"));
    Path shim = shims.resolve("fakexen.so");
    compile("fakexen.c", shim);
    compile("clockshift.c", STAGE.resolve("usr/local/lib/clockshift.so"));
    for (String library : List.of("libxengnttab.so.1", "libxenevtchn.so.1")) {
      Files.copy(shim, shims.resolve(library));
    }
  }

  private static void compile(String source, Path library) throws IOException {
    run(
        "gcc",
        "-O1",
        "-shared",
        "-fPIC",
        "-o",
        library.toString(),
        "src/test/native/" + source,
        "-ldl");
  }

  private static void run(String... command) throws IOException {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), UTF_8);
    try {
      if (process.waitFor() != 0) {
        throw new IOException("%s failed:%n%s".formatted(String.join(" ", command), output));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
  }
}
