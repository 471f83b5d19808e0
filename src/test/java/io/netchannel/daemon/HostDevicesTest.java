package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.protobuf.ByteString;
import io.netchannel.coordinator.LocalDevices;
import io.netchannel.coordinator.LocalDevices.StockDisk;
import io.netchannel.device.DeviceException;
import io.netchannel.device.usb.UsbOpener;
import io.netchannel.midpoint.block.BlockManifest;
import io.netchannel.vdevice.block.BlockOperation;
import io.netchannel.vdevice.block.frontend.BlkfrontOptions;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What a coordinator sees of a host with disks of ours and of others. */
@Timeout(60)
final class HostDevicesTest {
  private static final Duration BOUND = Duration.ofSeconds(20);
  private static final UUID STOCK = new UUID(0x1111, 1);
  private static final UUID MIXED = new UUID(0x2222, 2);
  private static final UUID NOBODY = new UUID(0x3333, 3);

  @TempDir private Path directory;
  private EmulatedHost host;
  private LocalDevices devices;
  private EmbeddedDomain stock;
  private StockGuest xvda;

  @BeforeEach
  void start() throws Exception {
    host = new EmulatedHost("hosta", directory, ImmutableMap.of());
    host.startDaemon();
    devices = host.daemon().devices();
    stock = host.createDomain("stock", STOCK);
    stock.unpause();
    xvda = new StockGuest(host.hypervisor(), stock, "xvda", "vbd", 0);
  }

  @AfterEach
  void close() {
    xvda.close();
    host.close();
  }

  private static <T> T get(CompletableFuture<T> future)
      throws InterruptedException, ExecutionException, TimeoutException {
    return future.get(BOUND.toSeconds(), TimeUnit.SECONDS);
  }

  /** A domain with a stock disk and one of ours that waits for a take-over. */
  private ServedDisk mixed() {
    EmbeddedDomain domain = host.createDomain("mixed", MIXED);
    new StockGuest(host.hypervisor(), domain, "xvda", "qdisk", 0).close();
    return host.daemon()
        .midPoints()
        .publish(new Guest("mixed", MIXED, domain.domid()), "xvdb", false);
  }

  @Test
  void memoryForManifestsIsSharedByThoseThatComeAndGivenBackOnce() {
    List<LocalDevices.GuestDevice> many =
        Collections.nCopies(
            1_000, LocalDevices.GuestDevice.disk(MIXED, "xvdb", "file:/x", false, 1 << 20, 5));
    LocalDevices.ManifestRoom first = devices.manifestRoom(many);
    LocalDevices.ManifestRoom second = devices.manifestRoom(many);
    assertThat(second.bytes()).isBetween(1L, first.bytes());
    assertThat(devices.manifestRoom(List.of()).bytes()).isZero();
    first.close();
    first.close();
    second.close();
    assertThat(devices.manifestRoom(many).bytes()).isEqualTo(first.bytes());
  }

  private String image() throws Exception {
    Path image = directory.resolve("disk.raw");
    try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
      file.setLength(1 << 20);
    }
    return "file:" + image;
  }

  @Test
  void aDomainWithStockDisksOnlyIsThereByItsName() {
    assertThat(devices.domainsNamed("stock")).containsExactly(STOCK);
    assertThat(devices.domainsNamed("other")).isEmpty();
    assertThat(devices.stockDisksOf(STOCK)).containsExactly(new StockDisk("xvda", "vbd"));
    assertThat(devices.devicesOf(STOCK)).isEmpty();
    assertThat(devices.domainExists(STOCK)).isTrue();
  }

  @Test
  void aDomainWithoutAnyDiskIsNobodysBusiness() {
    host.createDomain("diskless", NOBODY).unpause();
    assertThat(devices.domainsNamed("diskless")).isEmpty();
    assertThat(devices.stockDisksOf(NOBODY)).isEmpty();
  }

  @Test
  void aDomainWithBothKindsIsThereOnceAndEachDiskIsOfItsKind() throws Exception {
    ServedDisk ours = mixed();
    get(host.daemon().midPoints().serve(ours, image(), (domain, target, known) -> 1));
    assertThat(devices.domainsNamed("mixed")).containsExactly(MIXED);
    assertThat(devices.stockDisksOf(MIXED)).containsExactly(new StockDisk("xvda", "qdisk"));
    assertThat(devices.devicesOf(MIXED))
        .extracting(LocalDevices.GuestDevice::target)
        .containsExactly("xvdb");
  }

  @Test
  void whatIsBeingRestoredHereDoesNotRunHere() throws Exception {
    Set<UUID> arriving = new HashSet<>();
    StockDisks disks =
        new StockDisks(
            new StockDisks.Environment(
                host.store(),
                host.hypervisor().grantTable(0),
                host.hypervisor().domainStates(),
                (delay, action) -> {},
                path -> {},
                System::nanoTime),
            Runnable::run);
    LocalDevices seen =
        new HostDevices(
            host.store(),
            host.hypervisor().domainStates(),
            new MovingDisks(host.store(), host.daemon().midPoints()),
            new MovingPorts(
                host.store(),
                host.daemon().usbPorts(),
                new StayingUsb(
                    new UsbOpener(ImmutableMap.of(), ImmutableMap.of()),
                    () -> {
                      throw new IOException("no server");
                    }),
                ImmutableSet.of(),
                Runnable::run),
            host.daemon().guests(),
            disks,
            new SuspendWatch(
                host.store(),
                host.hypervisor().domainStates(),
                (delay, action) -> {},
                Runnable::run),
            arriving::contains,
            domain -> {},
            disk -> new LocalDevices.Copy("", false));
    assertThat(seen.domainsNamed("stock")).containsExactly(STOCK);
    arriving.add(STOCK);
    assertThat(seen.domainsNamed("stock")).isEmpty();
    assertThat(seen.domainExists(STOCK)).isTrue();
  }

  @Test
  void aDomainIsArrivingFromItsFirstHookOn() throws Exception {
    String disk = "<n:disk target='xvdb' source='" + image() + "'/>";
    // It is there before its hook, so that nothing is published for it meanwhile.
    EmbeddedDomain domain = host.createDomain("mixed", MIXED);
    new StockGuest(host.hypervisor(), domain, "xvda", "vbd", 0).close();
    assertThat(devices.domainsNamed("mixed")).containsExactly(MIXED);
    host.hookOk("mixed", "start", "begin", EmulatedHost.xml("mixed", MIXED, null, disk));
    assertThat(devices.domainsNamed("mixed")).isEmpty();
    host.hookOk("mixed", "stopped", "end", EmulatedHost.xml("mixed", MIXED, domain, disk));
    assertThat(devices.domainsNamed("mixed")).containsExactly(MIXED);
  }

  @Test
  void oneThatStandsSuspendedDoesNotRunHere() {
    stock.suspend();
    assertThat(devices.domainsNamed("stock")).isEmpty();
    assertThat(devices.stockDisksOf(STOCK)).as("to be drained").hasSize(1);
    stock.resume();
    assertThat(devices.domainsNamed("stock")).containsExactly(STOCK);
  }

  @Test
  void aSuspendIsToldOnAThreadThatMayBlock() throws Exception {
    CompletableFuture<String> thread =
        devices.whenSuspended(STOCK).thenApply(done -> Thread.currentThread().getName());
    assertThat(devices.isSuspended(STOCK)).contains(false);
    stock.suspend();
    assertThat(get(thread)).startsWith("coordinator-");
    assertThat(devices.isSuspended(STOCK)).contains(true);
    stock.resume();
    assertThat(devices.isSuspended(STOCK)).contains(false);
  }

  @Test
  void ofADomainThatIsNotThereNothingIsKnown() {
    assertThat(devices.isSuspended(NOBODY)).isEmpty();
    assertThat(devices.whenSuspended(NOBODY)).isCancelled();
    assertThat(devices.drain(NOBODY, BOUND)).isCompletedExceptionally();
    assertThat(devices.domainExists(NOBODY)).isFalse();
    stock.destroy();
    assertThat(devices.isSuspended(STOCK)).isEmpty();
  }

  @Test
  void aStockFrontendThatHasConnectedMeansThatItsGuestHasRun() {
    assertThat(devices.guestHasRun(STOCK)).isFalse();
    xvda.connect(BlkfrontOptions.DEFAULT);
    assertThat(devices.guestHasRun(STOCK)).isTrue();
  }

  @Test
  void drainingWaitsForTheBackendOfASuspendedGuest() throws Exception {
    xvda.connect(BlkfrontOptions.DEFAULT);
    xvda.request(7);
    stock.suspend();
    CompletableFuture<List<LocalDevices.Drained>> drained = devices.drain(STOCK, BOUND);
    xvda.answerAll();
    assertThat(get(drained))
        .extracting(LocalDevices.Drained::disk)
        .containsExactly(new StockDisk("xvda", "vbd"));
  }

  @Test
  void theEndOfTheDaemonEndsAllWaits() {
    xvda.connect(BlkfrontOptions.DEFAULT);
    xvda.request(7);
    CompletableFuture<Void> suspended = devices.whenSuspended(STOCK);
    host.daemon().close();
    assertThat(suspended).isCancelled().isCompletedExceptionally();
    assertThat(suspended)
        .failsWithin(Duration.ZERO)
        .withThrowableOfType(CancellationException.class);
  }

  @Test
  void aManifestIsStagedWhereThereIsAMidPointAndTakenOverOnce() throws Exception {
    ByteString manifest = ByteString.copyFrom(new BlockManifest(4, 1 << 20, 0, List.of()).encode());
    assertThat(devices.stage(MIXED, "xvdb", manifest)).as("no such mid-point yet").isCompleted();
    ServedDisk disk = mixed();
    get(devices.stage(MIXED, "xvdb", manifest));
    assertThat(disk.decode(manifest)).as("decoded once").isSameAs(disk.decode(manifest));
    get(
        devices.takeOver(
            disk.guest().domid(),
            LocalDevices.GuestDevice.disk(MIXED, "xvdb", image(), false, 1 << 20, 5),
            false,
            manifest));
    assertThat(disk.midPoint().status().generation()).isEqualTo(5);
    assertThat(devices.stage(MIXED, "xvdb", manifest))
        .failsWithin(BOUND)
        .withThrowableThat()
        .withMessageContaining("cannot stage");
    assertThat(devices.stage(MIXED, "xvdb", ByteString.copyFromUtf8("no manifest")))
        .isCompletedExceptionally();
  }

  @Test
  void aDeviceThatTheMidPointRefusesDoesNotStayOpen() throws Exception {
    ServedDisk disk = mixed();
    BlockManifest.Entry pending =
        new BlockManifest.Entry(
            1, 4, BlockOperation.FLUSH, 0, 0, BlockManifest.State.UNISSUED, ByteBuffer.allocate(0));
    BlockManifest ofAnother = new BlockManifest(4, 2 << 20, 0, List.of(pending));
    assertThat(
            devices.takeOver(
                disk.guest().domid(),
                LocalDevices.GuestDevice.disk(MIXED, "xvdb", image(), false, 1 << 20, 5),
                false,
                ByteString.copyFrom(ofAnother.encode())))
        .failsWithin(BOUND)
        .withThrowableThat()
        .withMessageContaining("is smaller: 1048576 bytes here, 2097152 at the source");
    assertThat(openFiles()).doesNotContain(directory.resolve("disk.raw").toRealPath());
  }

  /** An administrator has grown it since the source opened it. */
  @Test
  void aDeviceThatHasGrownIsTakenOver() throws Exception {
    ServedDisk disk = mixed();
    int known = 1 << 19;
    LocalDevices.GuestDevice atSource =
        LocalDevices.GuestDevice.disk(MIXED, "xvdb", image(), false, known, 5);
    get(devices.probe(atSource));
    BlockManifest.Entry pending =
        new BlockManifest.Entry(
            1, 4, BlockOperation.FLUSH, 0, 0, BlockManifest.State.UNISSUED, ByteBuffer.allocate(0));
    BlockManifest manifest = new BlockManifest(4, known, 0, List.of(pending));
    var takenOver =
        devices.takeOver(
            disk.guest().domid(), atSource, false, ByteString.copyFrom(manifest.encode()));
    get(takenOver);
    assertThat(disk.midPoint().status().generation()).isEqualTo(5);
    assertThat(devices.devicesOf(MIXED))
        .extracting(LocalDevices.GuestDevice::sizeBytes)
        .containsExactly(1L << 20);
  }

  @Test
  void aSmallerDeviceIsRefusedInTrueWords() throws Exception {
    LocalDevices.GuestDevice atSource =
        LocalDevices.GuestDevice.disk(MIXED, "xvdb", image(), false, 2 << 20, 5);
    assertThat(devices.probe(atSource))
        .failsWithin(BOUND)
        .withThrowableOfType(ExecutionException.class)
        .withCauseInstanceOf(DeviceException.class)
        .withMessageContaining("is smaller: 1048576 bytes here, 2097152 at the source")
        .withMessageNotContaining("not the same device");
  }

  /** Of this process. */
  private static List<Path> openFiles() throws IOException {
    List<Path> open = new ArrayList<>();
    try (DirectoryStream<Path> descriptors = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
      for (Path descriptor : descriptors) {
        try {
          open.add(Files.readSymbolicLink(descriptor));
        } catch (NoSuchFileException closedMeanwhile) {
          // another test's or thread's
        }
      }
    }
    return open;
  }
}
