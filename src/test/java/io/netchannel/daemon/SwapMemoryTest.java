package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A device's host is restarted in the midst of a swap, and has lost what was not flushed there. */
@Timeout(300)
final class SwapMemoryTest extends SwappedGuest {
  /** In a region that is copied soon; the guest has not written it when its copy begins. */
  private static final int EARLY = 20;

  private String target(String name) throws IOException {
    Files.write(file(name), new byte[(int) SIZE]);
    return "away:" + file(name);
  }

  /** One whose server says which memory its host has. */
  private String knownTarget(String name) throws IOException {
    restarted(name);
    return target(name);
  }

  private void restarted(String name) {
    memories.put(file(name).toString(), UUID.randomUUID());
  }

  private void copySome(String source) throws Exception {
    swap(source, "bandwidth", SLOW);
    writesUntil("some copies", () -> copied() > 1 << 20);
  }

  private void goOn() throws Exception {
    host.startDaemon();
    job("bandwidth", "bandwidth", 0L);
  }

  /** What the map calls copied may be lost, as the first flush tells; the guest notices nothing. */
  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void aReopenedDeviceThatFailsItsFlushIsOpenedAnewAndCopiedTo(int times) throws Exception {
    diskIsAtServer();
    String source = knownTarget("new2");
    copySome(source);
    host.stopDaemon();
    overwrite("new2");
    forgetfulFor.set(times);
    goOn();
    isSwitched(source);
    assertThat(forgetfulFor.get()).isZero();
  }

  @Test
  void aDeviceInSyncThatHasLostWritesIsOpenedAnewAndCopiedTo() throws Exception {
    String source = target("new");
    swap(source, "pivot", "manual");
    writesUntil("it is in sync", () -> isIn("sync"));
    overwrite("new");
    devicesLoseMemory();
    writesUntil("it is opened anew", () -> opensAnew() == 2);
    writesUntil("it is in sync again", () -> isIn("sync"));
    job("pivot");
    isSwitchedTo(source);
  }

  @Test
  void aJobWhoseDeviceFailsEachFlushCanBeGivenUp() throws Exception {
    forgetfulFor.set(Integer.MAX_VALUE);
    swap(target("new"));
    writesUntil("it is opened anew", () -> opensAnew() > 2);
    job("abort");
    writesUntil("its end", () -> isIn("aborted"));
    assertThat(device()).containsEntry("source", "file:" + file("old"));
    verify();
  }

  @Test
  void theNewDevicesHostIsRestartedWhileNoDaemonLooks() throws Exception {
    diskIsAtServer();
    String source = knownTarget("new2");
    copySome(source);
    host.stopDaemon();
    overwrite("new2");
    restarted("new2");
    goOn();
    isSwitched(source);
  }

  /** The guest goes on with what its disk is now, and so does its copy. */
  @Test
  void theOldDevicesHostIsRestartedWhileNoDaemonLooks() throws Exception {
    diskIsAtServer();
    String source = knownTarget("new2");
    copySome(source);
    host.stopDaemon();
    try (RandomAccessFile lost = new RandomAccessFile(file("new").toFile(), "rw")) {
      byte[] older = new byte[BLOCK];
      Arrays.fill(older, (byte) 0xa5);
      lost.seek((long) EARLY * BLOCK);
      lost.write(older);
      System.arraycopy(older, 0, content, EARLY * BLOCK, BLOCK);
    }
    restarted("new");
    goOn();
    isSwitched(source);
  }

  /** As an NBD server, that says nothing of what it has lost. */
  @Test
  void whatIsKnownByItsNameOnlyIsNotReliedOn() throws Exception {
    diskIsAtServer();
    String source = target("new2");
    copySome(source);
    host.stopDaemon();
    overwrite("new2");
    goOn();
    isSwitched(source);
  }

  /** It says which memory its host has, so that a map of the disk is relied on. */
  private void diskIsAtServer() throws Exception {
    String source = knownTarget("new");
    swap(source);
    isSwitchedTo(source);
  }

  private void isSwitched(String source) throws Exception {
    writesUntil("the end of the job", () -> isIn("done"));
    assertThat(device()).containsEntry("source", source);
    overwrite("new");
    end();
    assertThat(Files.readAllBytes(file("new2"))).isEqualTo(content);
  }
}
