package io.netchannel.coordinator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netchannel.coordinator.FaultPoints.FaultException;
import io.netchannel.coordinator.FaultPoints.Point;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ConfiguredFaultsTest {
  private static final int BOUND_SECONDS = 20;

  @TempDir Path directory;

  private static FaultPoints faults(String point, String action) {
    return new ConfiguredFaults(Map.of(point, action));
  }

  @Test
  void onlyItsPointFails() {
    FaultPoints faults = faults("source.suspended", "fail");
    faults.at(Point.SOURCE_SEALED);
    assertThatThrownBy(() -> faults.at(Point.SOURCE_SUSPENDED))
        .isInstanceOf(FaultException.class)
        .hasMessage("[faults] source.suspended = \"fail\"");
  }

  @Test
  void holdsForAsLongAsTheFileExists() throws Exception {
    Path file = Files.createFile(directory.resolve("hold"));
    FaultPoints faults = faults("source.suspended", "hold " + file);
    CompletableFuture<Void> held =
        CompletableFuture.runAsync(() -> faults.at(Point.SOURCE_SUSPENDED));
    assertThat(held).isNotDone();
    Files.delete(file);
    held.get(BOUND_SECONDS, TimeUnit.SECONDS);
    faults.at(Point.SOURCE_SUSPENDED);
  }

  @Test
  void aFileSaysWhatHappensNow() throws Exception {
    Path file = directory.resolve("fault");
    FaultPoints faults = faults("source.suspended", "file " + file);
    faults.at(Point.SOURCE_SUSPENDED);
    Files.writeString(file, "fail\n");
    assertThatThrownBy(() -> faults.at(Point.SOURCE_SUSPENDED)).isInstanceOf(FaultException.class);
    Files.writeString(file, "fall");
    assertThatThrownBy(() -> faults.at(Point.SOURCE_SUSPENDED))
        .hasMessageContaining("\"source.suspended\" = \"fall\": expected fail, kill");
    Files.delete(file);
    faults.at(Point.SOURCE_SUSPENDED);
  }

  @Test
  void mistakesSayWhatThereIs() {
    assertThatThrownBy(() -> faults("source.suspendet", "fail"))
        .hasMessageContaining("\"source.suspendet\" is not known; there are")
        .hasMessageContaining("source.suspended");
    assertThatThrownBy(() -> faults("source.sealed", "hold relative"))
        .hasMessageContaining("expected fail, kill, hang 30s, hold /run/file or file /run/file");
  }
}
