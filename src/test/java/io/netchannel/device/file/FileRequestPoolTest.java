package io.netchannel.device.file;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.Completion;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

final class FileRequestPoolTest {
  private static final int CAPACITY = 8;

  private final FileRequest.Pool pool = new FileRequest.Pool(request -> {}, CAPACITY);

  @Test
  void aRequestIsUsedAgain() {
    FileRequest first = pool.obtain();
    FileRequest second = pool.obtain();
    pool.giveBack(first);
    pool.giveBack(second);
    assertThat(pool.obtain()).isSameAs(second);
    assertThat(pool.obtain()).isSameAs(first);
  }

  @Test
  void noMoreAreKeptThanItsCapacity() {
    List<FileRequest> obtained = new ArrayList<>();
    for (int i = 0; i < 2 * CAPACITY; i++) {
      obtained.add(pool.obtain());
    }
    obtained.forEach(pool::giveBack);
    Set<FileRequest> again = Collections.newSetFromMap(new IdentityHashMap<>());
    for (int i = 0; i < 2 * CAPACITY; i++) {
      again.add(pool.obtain());
    }
    assertThat(again).hasSize(2 * CAPACITY);
    again.retainAll(obtained);
    assertThat(again).hasSize(CAPACITY);
  }

  @Test
  void noRequestHasTwoUsersAtATime() throws Exception {
    int threads = 4;
    ExecutorService executor = Executors.newFixedThreadPool(threads);
    try {
      List<Future<Integer>> users = new ArrayList<>();
      for (int i = 0; i < threads; i++) {
        users.add(executor.submit(() -> use(20_000)));
      }
      for (Future<Integer> user : users) {
        assertThat(user.get()).as("requests that somebody else had").isZero();
      }
    } finally {
      executor.shutdownNow();
    }
  }

  private int use(int times) {
    Object[] user = new Object[1];
    Completion mine = outcome -> user[0] = outcome; // an object of this thread's own
    int stolen = 0;
    for (int i = 0; i < times; i++) {
      FileRequest one = pool.obtain();
      FileRequest two = pool.obtain();
      stolen += one.completion == null && two.completion == null ? 0 : 1;
      one.completion = mine;
      two.completion = mine;
      Thread.onSpinWait();
      stolen += one != two && one.completion == mine && two.completion == mine ? 0 : 1;
      pool.giveBack(one);
      pool.giveBack(two);
    }
    return stolen;
  }
}
