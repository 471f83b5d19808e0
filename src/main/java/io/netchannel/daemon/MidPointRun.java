package io.netchannel.daemon;

import io.netchannel.midpoint.AgentRunner;
import io.netchannel.midpoint.InflightTable;
import io.netchannel.midpoint.MidPointId;
import io.netchannel.midpoint.MidPointTrace;
import io.netchannel.midpoint.block.BlockLimits;
import io.netchannel.midpoint.block.BlockMidPoint;
import io.netchannel.vdevice.block.Vbd;
import io.netchannel.vdevice.block.VbdLimits;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * A mid-point with its thread: a {@link ServedDisk} has one after the other, when one ends by an
 * error.
 */
final class MidPointRun {
  private final AgentRunner runner;
  private final BlockMidPoint midPoint;

  /**
   * Starts over the nodes and the in-flight table that are there.
   *
   * @param failed told at once when it ends by an error, on its thread, before it is closed
   * @throws IOException when there is no room for the table
   * @throws IllegalStateException when there is no thread for it
   */
  MidPointRun(
      ServedDisk.Environment environment,
      DiskDetails details,
      Path inflightFile,
      Consumer<Throwable> failed)
      throws IOException {
    Guest guest = details.guest();
    BlockLimits limits = BlockLimits.defaults();
    InflightTable table = BlockMidPoint.inflight(inflightFile, limits);
    MidPointTrace trace = trace(environment, details);
    runner = new AgentRunner(failed);
    Vbd vbd;
    try {
      vbd =
          new Vbd(
              details.address(),
              guest.name(),
              environment.store(),
              environment.grants(),
              environment.events(),
              VbdLimits.DEFAULT,
              runner::wake);
    } catch (RuntimeException e) {
      trace.close();
      throw e;
    }
    midPoint =
        new BlockMidPoint(
            new MidPointId(guest.name(), guest.uuid(), guest.domid(), details.target()),
            vbd,
            table,
            limits,
            environment.memory(),
            trace,
            environment.nanoTime(),
            runner::wake,
            what -> environment.notes().note(guest.uuid(), details.target() + " " + what));
    runner.start(midPoint);
  }

  private static MidPointTrace trace(ServedDisk.Environment environment, DiskDetails details)
      throws IOException {
    if (environment.traceDirectory().isEmpty()) {
      return MidPointTrace.off();
    }
    String name = details.guest().name() + "-" + details.target() + ".jsonl";
    return MidPointTrace.open(
        environment.traceDirectory().get().resolve(name), environment.clock());
  }

  BlockMidPoint midPoint() {
    return midPoint;
  }

  /** Completes when it is closed, its device too; with the error that ended it, if one did. */
  CompletableFuture<Void> ended() {
    return runner.ended();
  }

  /** Ends it and waits for that, as long as its device takes. */
  void close() {
    runner.close();
  }
}
