package io.netchannel.daemon;

import com.google.protobuf.ByteString;
import io.netchannel.coordinator.LocalDevices;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/** A device of any kind that is here, as {@link LocalDevices} has it do what a migration wants. */
interface MovingDevice {
  CompletableFuture<LocalDevices.Sealed> seal(
      Duration bound, long dataBytes, Consumer<LocalDevices.Sealed> known);

  CompletableFuture<Void> unseal(long generation);

  CompletableFuture<Void> retire();

  CompletableFuture<Void> stage(ByteString manifest);
}
