package io.netchannel.libvirt;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** With libvirt's test driver, which has a domain and cannot migrate it. */
@Timeout(60)
final class LibvirtMigrationTest {
  private static final String TEST_URI = "test:///default";

  @BeforeAll
  static void needsLibvirt() {
    LibvirtEventsTest.needsLibvirt();
  }

  private static void migrate(String destination, String domain) throws IOException {
    new LibvirtMigration(TEST_URI, destination).run(domain);
  }

  @ParameterizedTest
  @ValueSource(strings = {"test", "1", "6695eb01-f6a4-8304-79aa-97f2502e193f"})
  void aDomainIsFoundAndWhyItStaysIsTold(String domain) {
    assertThatThrownBy(() -> migrate(TEST_URI, domain))
        .isInstanceOf(IOException.class)
        .hasMessageStartingWith("libvirt: ")
        .hasMessageContaining("not supported");
  }

  @ParameterizedTest
  @ValueSource(strings = {"nobody", "4711", "6695eb01-f6a4-8304-79aa-97f2502e1930"})
  void aDomainThatIsNotThereIsTold(String domain) {
    assertThatThrownBy(() -> migrate(TEST_URI, domain))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("omain");
  }

  @Test
  void aLibvirtThatIsNotThereIsNamed() {
    assertThatThrownBy(() -> migrate("test:///nowhere/at/all.xml", "test"))
        .isInstanceOf(IOException.class)
        .hasMessageStartingWith("libvirt at test:///nowhere/at/all.xml: ");
  }
}
