package io.netchannel.xen.jna;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import io.netchannel.xen.ForeignMemory;
import io.netchannel.xen.ForeignMemory.GrantEntry;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenException;
import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.nio.ByteBuffer;
import java.nio.ReadOnlyBufferException;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What is asked of libxenforeignmemory, and what is made of its answers; foreignmemory.c, made with
 * its header, stands in for it.
 */
class JnaForeignMemoryTest {
  private static final int DOMAIN = 7;
  private static final int DOMAIN_WITH_VERSION_2 = 8;
  private static final long GFN = 0x12345;

  private static NativeLibrary fake;

  @BeforeAll
  static void bindToTheFake() throws IOException, IllegalAccessException {
    Path library = Path.of("target/foreignmemory.so").toAbsolutePath();
    NativeTests.compile(
        Path.of("src/test/native/foreignmemory.c"), library, "-shared", "-fPIC", "-D__XEN_TOOLS__");
    fake = NativeLibrary.getInstance(library.toString());
    assertThat(NativeLibraries.present(LibXenForeignMemory.LIBRARY))
        .as("Debian package %s", LibXenForeignMemory.DEBIAN_PACKAGE)
        .isTrue();
    MethodHandles.lookup().ensureInitialized(LibXenForeignMemory.class); // binds to the real one
    Native.register(LibXenForeignMemory.class, fake);
  }

  @AfterAll
  static void bindToTheReal() {
    Native.register(
        LibXenForeignMemory.class, NativeLibrary.getInstance(LibXenForeignMemory.LIBRARY));
  }

  private final ForeignMemory memory = JnaForeignMemory.open();

  private static int fake(String counter) {
    return fake.getFunction("fake_" + counter).invokeInt(new Object[0]);
  }

  @AfterEach
  void nothingIsLeft() {
    memory.close();
    assertThat(fake("opened")).isZero();
    assertThat(fake("mapped_pages")).isZero();
    assertThat(fake("mapped_frames")).isZero();
    assertThat(fake("asked_writable")).as("it only looks").isZero();
  }

  @Test
  void aGrantIsFoundInItsTable() {
    assertThat(memory.grantEntry(DOMAIN, 8)).contains(new GrantEntry(0, GFN));
    assertThat(memory.grantEntry(DOMAIN, 10)).contains(new GrantEntry(3, 1));
    assertThat(memory.grantEntry(DOMAIN, 1023)).contains(new GrantEntry(0x7fef, 0xffffffffL));
  }

  /** A reference may be anything that a guest writes. */
  @ParameterizedTest
  @ValueSource(ints = {0, 9, 511, 1022, 1024, Integer.MAX_VALUE, Integer.MIN_VALUE, -1})
  void whatPermitsNothingIsNone(int reference) {
    assertThat(memory.grantEntry(DOMAIN, reference)).isEmpty();
  }

  /** More would make the guest's table grow. */
  @Test
  void oneFrameOfTheTableIsAskedFor() {
    int before = fake("asked_frames");
    assertThat(memory.grantEntry(DOMAIN, 1023)).isPresent();
    assertThat(fake("asked_frames") - before).as("with the look at its version").isEqualTo(2);
  }

  @Test
  void aTableOfVersion2IsRefused() {
    assertThatThrownBy(() -> memory.grantEntry(DOMAIN_WITH_VERSION_2, 8))
        .isInstanceOf(XenException.class)
        .hasMessageContaining("domain 8")
        .hasMessageContaining("version 2, expected version 1");
  }

  @Test
  void aDomainThatIsNotThereIsNamed() {
    assertThatThrownBy(() -> memory.grantEntry(9, 600))
        .isInstanceOf(XenException.class)
        .hasMessageContaining("frame 1 of the grant table of domain 9")
        .hasMessageContaining("No such process");
    assertThatThrownBy(() -> memory.map(9, GFN))
        .isInstanceOf(XenException.class)
        .hasMessageContaining("frame 0x12345 of domain 9")
        .hasMessageContaining("No such process");
  }

  @Test
  void aPageIsMappedToBeRead() {
    ForeignMemory.Mapping mapping = memory.map(DOMAIN, GFN);
    ByteBuffer page = mapping.memory();
    assertThat(page.capacity()).isEqualTo(GrantTable.PAGE_BYTES);
    assertThat(page.getInt(0)).as("little endian").isEqualTo(0x150e0700);
    assertThat(page.get(4095)).isEqualTo((byte) (4095 * 7));
    assertThatThrownBy(() -> page.put(0, (byte) 1)).isInstanceOf(ReadOnlyBufferException.class);
    assertThat(fake("mapped_pages")).isEqualTo(1);
    mapping.close();
    mapping.close();
    assertThat(fake("mapped_pages")).isZero();
    assertThatThrownBy(mapping::memory).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void whatIsMappedGoesWithTheHandle() {
    ForeignMemory.Mapping mapping = memory.map(DOMAIN, GFN);
    memory.close();
    assertThat(fake("mapped_pages")).isZero();
    mapping.close();
    assertThatThrownBy(() -> memory.map(DOMAIN, GFN))
        .isInstanceOf(XenException.class)
        .hasMessageContaining("closed");
  }

  /** The daemon works all the same. */
  @Test
  void oneThatCannotBeOpenedSaysSoWhenItIsUsed() {
    fake.getFunction("fake_refuse_to_open").invokeVoid(new Object[] {1});
    try (ForeignMemory refused = JnaForeignMemory.open()) {
      assertThatThrownBy(() -> refused.grantEntry(DOMAIN, 8))
          .isInstanceOf(XenException.class)
          .hasMessageContaining("/dev/xen/privcmd: No such file")
          .hasMessageContaining("modprobe xen-privcmd");
      assertThatThrownBy(() -> refused.map(DOMAIN, GFN)).isInstanceOf(XenException.class);
    } finally {
      fake.getFunction("fake_refuse_to_open").invokeVoid(new Object[] {0});
    }
  }
}
