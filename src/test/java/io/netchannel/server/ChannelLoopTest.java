package io.netchannel.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.usb.DescriptorLoop;
import io.netty.channel.IoEventLoop;
import io.netty.channel.IoEventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.unix.FileDescriptor;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * With pipes, which can be written as long as they are not full, and are broken without a reader.
 */
@Timeout(30)
final class ChannelLoopTest {
  private final IoEventLoopGroup group =
      new MultiThreadIoEventLoopGroup(1, EpollIoHandler.newFactory());
  private final IoEventLoop loop = group.next();
  private final ChannelLoop channelLoop = new ChannelLoop(loop);
  private final BlockingQueue<String> told = new LinkedBlockingQueue<>();

  private FileDescriptor reader;
  private FileDescriptor writer;
  private DescriptorLoop.Watch watch;

  private final DescriptorLoop.Watcher watcher =
      new DescriptorLoop.Watcher() {
        @Override
        public void ready(boolean broken) {
          assertThat(loop.inEventLoop()).isTrue();
          told.add(broken ? "broken" : "ready");
          watch.listen(false);
          if (broken) {
            watch.cancel();
          }
        }

        @Override
        public void over() {
          told.add("over");
        }
      };

  @BeforeEach
  void pipe() throws IOException {
    FileDescriptor[] ends = FileDescriptor.pipe();
    reader = ends[0];
    writer = ends[1];
  }

  @AfterEach
  void end() throws IOException {
    group.shutdownGracefully(0, 0, TimeUnit.SECONDS).syncUninterruptibly();
    reader.close();
    writer.close();
  }

  /** On the loop, so that it is known before anything is told. */
  private void watch(int descriptor) {
    loop.submit(() -> watch = channelLoop.watch(descriptor, watcher)).syncUninterruptibly();
  }

  /** What the loop has to do by now is done. */
  private void settle() {
    for (int i = 0; i < 3; i++) {
      loop.submit(() -> {}).syncUninterruptibly();
    }
  }

  @Test
  void whatCanBeWrittenIsToldWhileSomebodyListens() throws Exception {
    watch(writer.intValue());
    assertThat(told.take()).isEqualTo("ready");
    settle();
    assertThat(told).as("after nobody listens").isEmpty();
    watch.listen(true);
    assertThat(told.take()).isEqualTo("ready");
  }

  @Test
  void whatIsBrokenIsToldAlsoIfNobodyListens() throws Exception {
    watch(writer.intValue());
    assertThat(told.take()).isEqualTo("ready");
    reader.close();
    assertThat(told.take()).isEqualTo("broken");
    settle();
    assertThat(told).as("after it was cancelled").isEmpty();
  }

  @Test
  void whatIsCancelledIsNotTold() throws Exception {
    watch(writer.intValue());
    assertThat(told.take()).isEqualTo("ready");
    watch.cancel();
    watch.listen(true);
    settle();
    group.shutdownGracefully(0, 0, TimeUnit.SECONDS).syncUninterruptibly();
    assertThat(told).isEmpty();
  }

  /** As umockdev has in place of a device. */
  @Test
  void aFileIsNotWaitedFor(@TempDir Path directory) throws Exception {
    File file = Files.createFile(directory.resolve("device")).toFile();
    FileDescriptor opened = FileDescriptor.from(file);
    watch(opened.intValue());
    assertThat(told.take()).isEqualTo("over");
    opened.close();
  }

  @Test
  void anEventLoopThatEndsTellsSo() throws Exception {
    watch(writer.intValue());
    assertThat(told.take()).isEqualTo("ready");
    group.shutdownGracefully(0, 0, TimeUnit.SECONDS).syncUninterruptibly();
    assertThat(told.take()).isEqualTo("over");
    DescriptorLoop.Watch late = channelLoop.watch(writer.intValue(), watcher);
    assertThat(told.take()).isEqualTo("over");
    late.listen(true);
    late.cancel();
  }

  /** As that of a connection, when the server closes it. */
  @Test
  void anEventLoopThatEndsItselfTellsSo() throws Exception {
    watch(writer.intValue());
    assertThat(told.take()).isEqualTo("ready");
    loop.execute(
        () -> {
          var unused = group.shutdownGracefully(0, 2, TimeUnit.SECONDS);
        });
    assertThat(told.take()).isEqualTo("over");
  }

  @Test
  void anEventLoopThatIsEndingTellsSo() throws Exception {
    loop.execute(
        () -> {
          var unused = group.shutdownGracefully(0, 2, TimeUnit.SECONDS);
          watch = channelLoop.watch(writer.intValue(), watcher);
        });
    assertThat(told.take()).isEqualTo("over");
  }
}
