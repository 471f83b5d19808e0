package io.netchannel.rehearsal.guest;

import io.netchannel.rehearsal.Await;
import io.netchannel.vdevice.block.BlockOperation;
import io.netchannel.vdevice.block.frontend.Blkfront;
import io.netchannel.vdevice.block.frontend.BlkfrontOptions;
import io.netchannel.xen.XenStore;
import io.netchannel.xen.embedded.EmbeddedDomain;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;

/**
 * A guest as a Linux kernel runs it: one CPU, blkfront, a program that uses the disk. It outlives
 * its domain: a migration moves its CPU and memory to a domain of another host.
 *
 * <pre>
 *   boot --> RUNNING --suspend--> STOPPED --resumeAt(new domain)--> RUNNING
 *                                    +------resumeHere (cancelled)--> RUNNING
 * </pre>
 */
public final class LinuxGuest implements AutoCloseable {
  /** The kernel finds its disk within milliseconds here; a loaded machine gets more. */
  private static final Duration BOUND = Duration.ofSeconds(20);

  private final GuestCpu cpu = new GuestCpu();
  private final AtomicBoolean pollQueued = new AtomicBoolean();
  private EmbeddedDomain domain;
  private Blkfront blkfront;

  /**
   * What is outstanding in a guest that stands still.
   *
   * @param onRings requests on the rings of its disk that it has not seen answered
   * @param waiting what its program waits for
   */
  public record Stopped(int onRings, List<Workload.Waiting> waiting) {}

  /** Boots in a running domain and waits for the disk. */
  public GuestDisk boot(EmbeddedDomain newDomain, int devid) {
    domain = newDomain;
    String frontend = "/local/domain/%d/device/vbd/%d".formatted(domain.domid(), devid);
    try (XenStore store = domain.xenStore()) {
      // As the kernel's xenbus does: a device is probed when its nodes are there, hotplug or not.
      Await.until("the nodes of the disk", BOUND, () -> store.exists(frontend + "/state"));
    }
    // On the CPU: the first interrupt comes while it is being made, and waits for its turn.
    run(() -> blkfront = new Blkfront(domain, devid, BlkfrontOptions.DEFAULT, this::wake));
    wake();
    Await.until(
        "the disk to connect",
        BOUND,
        () -> on(() -> blkfront.connection()) == Blkfront.Connection.CONNECTED);
    return new Disk(on(blkfront::sizeBytes));
  }

  public EmbeddedDomain domain() {
    return domain;
  }

  /** Runs something on the guest's CPU. */
  public void run(Runnable task) {
    on(
        () -> {
          task.run();
          return true;
        });
  }

  /** Stops where it is, as a kernel does for "control/shutdown" = "suspend". */
  public Stopped suspend(Workload workload) {
    cpu.pause();
    blkfront.suspend();
    domain.suspend();
    return new Stopped(blkfront.onRings(), workload.waiting());
  }

  /** Goes on in a domain of another host, which runs already: its frontend begins anew. */
  public void resumeAt(EmbeddedDomain newDomain) {
    domain = newDomain;
    blkfront.resume(newDomain);
    cpu.resume();
    wake();
  }

  /** Goes on where it was; the rings are as they were (suspend_cancel). */
  public void resumeHere() {
    domain.resume();
    cpu.resume();
    wake();
  }

  /**
   * Throws when the guest cannot be expected to go on.
   *
   * @throws IllegalStateException with the reason
   */
  public void check() {
    cpu.panic()
        .ifPresent(
            failure -> {
              throw new IllegalStateException("the guest has failed: " + failure, failure);
            });
  }

  /** Why its driver disabled the disk, or "". */
  public String driverFailure() {
    return on(() -> blkfront.failure().orElse(""));
  }

  /** Ends its CPU, wherever it is; its domain is not touched. */
  @Override
  public void close() {
    cpu.close();
  }

  private void wake() {
    if (pollQueued.compareAndSet(false, true)) {
      cpu.execute(
          () -> {
            pollQueued.set(false);
            while (blkfront.poll() > 0) {
              // until it has nothing more to do
            }
          });
    }
  }

  private <T> T on(Supplier<T> task) {
    check();
    try {
      return CompletableFuture.supplyAsync(task, cpu).get(BOUND.toMillis(), TimeUnit.MILLISECONDS);
    } catch (ExecutionException e) {
      throw new IllegalStateException("the guest has failed: " + e.getCause(), e.getCause());
    } catch (TimeoutException e) {
      throw new IllegalStateException("the guest's CPU has not answered within " + BOUND, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while the guest ran", e);
    }
  }

  /** The block layer's end of blkfront. */
  private final class Disk implements GuestDisk {
    private final long sizeBytes;

    Disk(long sizeBytes) {
      this.sizeBytes = sizeBytes;
    }

    @Override
    public long sizeBytes() {
      return sizeBytes;
    }

    @Override
    public void submit(BlockOperation operation, long offsetBytes, ByteBuffer data, Done done) {
      switch (operation) {
        case READ ->
            blkfront.read(
                offsetBytes,
                data.remaining(),
                io -> {
                  if (!io.hasFailed()) {
                    data.put(io.data());
                  }
                  io.free();
                  done.done(!io.hasFailed());
                });
        case WRITE ->
            blkfront.write(
                offsetBytes,
                data,
                io -> {
                  io.free();
                  done.done(!io.hasFailed());
                });
        case FLUSH -> blkfront.flush(io -> done.done(!io.hasFailed()));
        case WRITE_BARRIER, DISCARD ->
            throw new IllegalArgumentException("expected READ, WRITE or FLUSH, found " + operation);
      }
      wake();
    }
  }
}
