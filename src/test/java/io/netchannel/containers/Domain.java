package io.netchannel.containers;

/**
 * A domain "db" with one disk, as libvirt and libxl announce it to our hook and in xenstore. There
 * is no guest in it: its disk is offered to nobody.
 */
final class Domain {
  private static final String FRONTEND = "/local/domain/1/device/vbd/51728";
  private static final String BACKENDS = "/local/domain/0/backend/netchannel";
  private static final String BACKEND = BACKENDS + "/1/51728";

  private static final String XML =
      """
      <domain type='xen' id='1'><name>db</name><uuid>6f2f9c5e-8d2c-4a4b-9a35-6f4c8f3b1d01</uuid>
        <metadata>
          <n:devices xmlns:n='https://netchannel.io/domain/1'>
            <n:disk target='xvdb' source='%s'/>
          </n:devices>
        </metadata>
      </domain>
      """;

  /** What libxl makes of it before it lets the domain run. */
  private static final String NODES =
      """
      touch /run/fakexen/xenstored/dom-1
      xenstore-write /local/domain/1/vm /vm/6f2f9c5e-8d2c-4a4b-9a35-6f4c8f3b1d01 \
        /local/domain/1/name db
      """;

  private final String xml;

  /**
   * @param source of its disk
   */
  Domain(String source) {
    xml = XML.formatted(source);
  }

  /** Runs the installed hook as libvirtd does; the domain's XML is on its stdin. */
  ContainerHost.Result hook(ContainerHost host, String operation, String subOperation) {
    return hook(host, xml, operation, subOperation);
  }

  /** As {@link #hook}, where libvirtd gives no XML. */
  static ContainerHost.Result hookWithoutXml(
      ContainerHost host, String operation, String subOperation) {
    return hook(host, "", operation, subOperation);
  }

  private static ContainerHost.Result hook(
      ContainerHost host, String xml, String operation, String subOperation) {
    host.write("/tmp/domain.xml", xml);
    return host.execute(
        "sh",
        "-c",
        "/etc/libvirt/hooks/libxl.d/50-netchannel db %s %s - </tmp/domain.xml"
            .formatted(operation, subOperation));
  }

  /** After hook "start begin". */
  void appearIn(ContainerHost host) {
    appearAlone(host);
  }

  /** One that nobody told our hook of: it has no devices of ours. */
  static void appearAlone(ContainerHost host) {
    host.run(NODES);
  }

  /** As {@link #appearAlone} came. */
  static void vanish(ContainerHost host) {
    host.run("rm /run/fakexen/xenstored/dom-1; xenstore-rm /local/domain/1");
  }

  /** Where the guest would find its backend. */
  static String backendOfFrontend(ContainerHost host) {
    return host.run("xenstore-read " + FRONTEND + "/backend").strip();
  }

  /** The path that {@link #backendOfFrontend} should have. */
  static String backend() {
    return BACKEND;
  }

  /** The source of the disk that the backend says it has. */
  static String sourceOfBackend(ContainerHost host) {
    return host.run("xenstore-read " + BACKEND + "/params").strip();
  }

  /** The domain ends and libvirtd says so. */
  void end(ContainerHost host) {
    vanish(host);
    hook(host, "stopped", "end");
    hook(host, "release", "end");
  }

  /** Nothing of ours is left in xenstore. */
  static String backends(ContainerHost host) {
    return host.run("xenstore-list " + BACKENDS + " || true");
  }
}
