package io.netchannel.device.legs;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.mirror.DifferenceMap;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** One file for each disk, of whoever has taken it last. */
final class MirrorMapsTest {
  private static final String DISK = "6b0f/xvdb";
  private static final long SIZE = 1 << 20;

  @TempDir private Path directory;

  @Test
  void anEarlierLifeOfADiskRemovesNothingOfTheNextOne() throws Exception {
    MirrorMaps maps = new MirrorMaps(directory.resolve("maps"));
    DifferenceMap earlier = maps.create(DISK, SIZE);
    DifferenceMap other = maps.create("6b0f/xvdc", SIZE);
    DifferenceMap now = maps.create(DISK, SIZE);
    maps.remove(DISK, earlier);
    assertThat(maps.file(DISK)).exists();
    DifferenceMap found = maps.reopen(DISK, SIZE, List.of());
    maps.remove(DISK, now);
    assertThat(maps.file(DISK)).exists();
    maps.remove(DISK, found);
    assertThat(maps.file(DISK)).doesNotExist();
    assertThat(maps.file("6b0f/xvdc")).exists();
    maps.remove("6b0f/xvdc", other);
  }
}
