package io.netchannel.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.mirror.DifferenceMap;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class DifferenceMapsTest {
  private static final UUID JOB = new UUID(1, 1);
  private static final UUID BOOT = new UUID(2, 2);
  private static final long SIZE = 1 << 20;

  @TempDir private Path directory;

  private DifferenceMaps maps(UUID boot) {
    return new DifferenceMaps(directory, boot);
  }

  @Test
  void theNextDaemonFindsWhatWasLeft() {
    assertThat(maps(BOOT).create(JOB, SIZE).isFound()).isFalse();
    assertThat(maps(BOOT).find(JOB, SIZE, List.of()).isFound()).isTrue();
    assertThat(maps(BOOT).find(new UUID(1, 2), SIZE, List.of()).isFound())
        .as("another job")
        .isFalse();
    maps(BOOT).remove(JOB);
    assertThat(maps(BOOT).find(JOB, SIZE, List.of()).isFound()).isFalse();
  }

  @Test
  void nothingOutlivesTheHost() {
    maps(BOOT).create(JOB, SIZE);
    assertThat(maps(new UUID(2, 3)).find(JOB, SIZE, List.of()).isFound()).isFalse();
  }

  @Test
  void theMapOfAnotherDeviceIsNotReliedOn() throws IOException {
    maps(BOOT).create(JOB, SIZE);
    assertThat(maps(BOOT).find(JOB, 2 * SIZE, List.of()).isFound()).as("it has grown").isFalse();
    Files.write(directory.resolve(BOOT.toString()).resolve(JOB.toString()), new byte[100]);
    assertThat(maps(BOOT).find(JOB, SIZE, List.of()).isFound()).isFalse();
  }

  @Test
  void withoutRoomItIsInMemory() throws IOException {
    Files.writeString(directory.resolve(BOOT.toString()), "no directory");
    DifferenceMap map = maps(BOOT).find(JOB, SIZE, List.of());
    assertThat(map.isFound()).isFalse();
    map.set(0, SIZE);
    maps(BOOT).remove(JOB);
    maps(BOOT).removeOthers(Set.of());
  }

  @Test
  void onlyWhatIsNeededStays() {
    maps(BOOT).create(JOB, SIZE);
    maps(BOOT).create(new UUID(1, 2), SIZE);
    maps(BOOT).removeOthers(Set.of(JOB));
    assertThat(maps(BOOT).find(JOB, SIZE, List.of()).isFound()).isTrue();
    assertThat(maps(BOOT).find(new UUID(1, 2), SIZE, List.of()).isFound()).isFalse();
  }
}
