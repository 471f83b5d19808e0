package io.netchannel.xen.jna;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.xen.Domains;
import io.netchannel.xen.Domains.State;
import io.netchannel.xen.XenException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Against a Xen of our own making, and against what the C compiler makes of Xen's header. */
class GetDomainInfoTest {
  private static final int ESRCH = 3;

  /** Bytes of a struct xen_domctl. */
  private static final int STRUCT_BYTES = 144;

  /** What comes before its union: all that Xen reads of this call. */
  private static final int ASKED_BYTES = 16;

  /** XEN_DOMCTL_INTERFACE_VERSION of the headers that the tests are compiled with: Xen 4.17. */
  private static final int HEADER_VERSION = 0x15;

  private final ByteBuffer argument =
      ByteBuffer.allocateDirect(GetDomainInfo.ARGUMENT_BYTES).order(ByteOrder.LITTLE_ENDIAN);

  /**
   * Answers for one version with the flags of one domain; what it was asked is in {@code calls}.
   */
  private static final class FakeXen implements GetDomainInfo.Domctl {
    final List<byte[]> calls = new ArrayList<>();
    final int version;
    int domid;
    int flags;
    int refusal;

    FakeXen(int version) {
      this.version = version;
    }

    @Override
    public int call(ByteBuffer argument) {
      byte[] bytes = new byte[STRUCT_BYTES];
      argument.get(0, bytes);
      calls.add(bytes);
      if (argument.getInt(0) != 5 || refusal != 0) {
        return refusal;
      }
      if (argument.getInt(4) != version) {
        return LibC.EACCES;
      }
      int asked = Short.toUnsignedInt(argument.getShort(8));
      if (asked > domid) {
        return ESRCH;
      }
      // Up to Xen 4.17 at least: the domain with that number or the next one.
      int found = asked == 0 ? 0 : domid;
      argument.putShort(8, (short) found);
      argument.putShort(16, (short) found);
      argument.putInt(20, found == 0 ? 0x20 : flags);
      return 0;
    }
  }

  private State state(int domid, int flags) {
    FakeXen xen = new FakeXen(HEADER_VERSION);
    GetDomainInfo info = GetDomainInfo.probe(xen, argument);
    xen.domid = domid;
    xen.flags = flags;
    return info.state(domid);
  }

  @Test
  void laidOutAsInC() throws IOException {
    Path program = Path.of("target/domctl").toAbsolutePath();
    NativeTests.compile(Path.of("src/test/native/domctl.c"), program);
    byte[] printed = NativeTests.run(List.of(program.toString()));
    assertThat(printed).hasSize(2 * STRUCT_BYTES);

    FakeXen xen = new FakeXen(HEADER_VERSION);
    GetDomainInfo info =
        GetDomainInfo.probe(
            call -> {
              if (call.getShort(8) == 0) {
                return xen.call(call);
              }
              byte[] asked = new byte[ASKED_BYTES];
              call.get(0, asked);
              assertThat(asked).isEqualTo(Arrays.copyOf(printed, ASKED_BYTES));
              call.put(0, printed, STRUCT_BYTES, STRUCT_BYTES);
              return 0;
            },
            argument);
    assertThat(info.state(0x1234)).isEqualTo(State.SUSPENDED);
  }

  @ParameterizedTest
  @CsvSource({
    "0x00, RUNNING",
    "0x20, RUNNING", // on a CPU
    "0x10, RUNNING", // blocked
    "0x0a, RUNNING", // paused by the toolstack, HVM
    "0x20004, SUSPENDED",
    "0x2000c, SUSPENDED", // and paused
    "0x20005, ENDED", // and dying
    "0x00004, ENDED", // poweroff
    "0x10004, ENDED", // reboot
    "0x30004, ENDED", // crash
    "0x20000, RUNNING", // a reason is one only together with the flag
    "0x00001, ENDED"
  })
  void flagsSayWhatADomainDoes(String flags, State expected) {
    assertThat(state(7, Integer.decode(flags))).isEqualTo(expected);
  }

  @Test
  void theNextDomainIsNotTheOneAskedFor() {
    FakeXen xen = new FakeXen(HEADER_VERSION);
    GetDomainInfo info = GetDomainInfo.probe(xen, argument);
    xen.domid = 9;
    xen.flags = 0x20004;
    assertThat(info.state(8)).isEqualTo(State.UNKNOWN);
    assertThat(info.state(9)).isEqualTo(State.SUSPENDED);
    assertThat(info.state(10)).as("no such domain").isEqualTo(State.UNKNOWN);
  }

  @Test
  void numbersThatAreNoDomainsAreNotAskedFor() {
    FakeXen xen = new FakeXen(HEADER_VERSION);
    GetDomainInfo info = GetDomainInfo.probe(xen, argument);
    xen.calls.clear();
    assertThat(List.of(info.state(-1), info.state(0x7ff0), info.state(0x10000)))
        .containsOnly(State.UNKNOWN);
    assertThat(xen.calls).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({"0x11", "0x15", "0x17", "0x20"})
  void theVersionIsProbedOnce(String version) {
    FakeXen xen = new FakeXen(Integer.decode(version));
    GetDomainInfo info = GetDomainInfo.probe(xen, argument);
    assertThat(info.version()).isEqualTo(xen.version);
    xen.calls.clear();
    assertThat(info.state(0)).isEqualTo(State.RUNNING);
    assertThat(xen.calls).hasSize(1);
  }

  @Test
  void aXenOfAnotherAgeIsNamed() {
    FakeXen xen = new FakeXen(0x99);
    assertThatThrownBy(() -> GetDomainInfo.probe(xen, argument))
        .isInstanceOf(XenException.class)
        .hasMessageContaining("0x11 to 0x20");
    assertThat(xen.calls).hasSize(16);
  }

  @Test
  void aRefusalIsNotMistakenForAWrongVersion() {
    FakeXen xen = new FakeXen(HEADER_VERSION);
    xen.refusal = LibC.EPERM;
    assertThatThrownBy(() -> GetDomainInfo.probe(xen, argument))
        .isInstanceOf(XenException.class)
        .hasMessageContaining("Operation not permitted", "control domain");
    assertThat(xen.calls).hasSize(1);
  }

  @Test
  void aRefusalLaterIsUnknown() {
    FakeXen xen = new FakeXen(HEADER_VERSION);
    GetDomainInfo info = GetDomainInfo.probe(xen, argument);
    xen.refusal = LibC.EPERM;
    assertThat(info.state(0)).isEqualTo(State.UNKNOWN);
  }

  @Test
  void withoutXenNothingCanBeToldAndNothingFails() {
    try (Domains domains = JnaDomains.open()) {
      assertThat(domains.canTell()).isEqualTo(XenHost.problems().isEmpty());
      assertThat(domains.state(0)).isEqualTo(domains.canTell() ? State.RUNNING : State.UNKNOWN);
    }
  }
}
