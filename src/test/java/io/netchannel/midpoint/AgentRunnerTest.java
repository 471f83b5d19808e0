package io.netchannel.midpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
final class AgentRunnerTest {
  private static final class Counting implements Agent {
    final AtomicInteger closes = new AtomicInteger();
    final CountDownLatch done = new CountDownLatch(1);
    volatile boolean fail;
    volatile boolean work;

    @Override
    public int doWork() {
      if (fail) {
        throw new IllegalStateException("a bug");
      }
      if (work) {
        done.countDown();
      }
      return 0;
    }

    @Override
    public String roleName() {
      return "counting";
    }

    @Override
    public void close() {
      closes.incrementAndGet();
    }
  }

  @Test
  void wokenWorksAndCloses() throws InterruptedException {
    Counting agent = new Counting();
    AgentRunner runner = new AgentRunner();
    runner.wake();
    runner.start(agent);
    agent.work = true;
    runner.wake();
    assertThat(agent.done.await(20, TimeUnit.SECONDS)).isTrue();
    runner.close();
    runner.close();
    assertThat(agent.closes).hasValue(1);
    assertThat(runner.ended()).isCompleted();
  }

  @Test
  void anExceptionEndsThisAgentOnly() {
    Counting agent = new Counting();
    Counting other = new Counting();
    try (AgentRunner runner = new AgentRunner();
        AgentRunner neighbour = new AgentRunner()) {
      neighbour.start(other);
      agent.fail = true;
      runner.start(agent);
      assertThatThrownBy(() -> runner.ended().get(20, TimeUnit.SECONDS))
          .hasRootCauseMessage("a bug");
      assertThat(agent.closes).hasValue(1);
      assertThat(neighbour.ended()).isNotDone();
    }
    assertThat(other.closes).hasValue(1);
  }
}
