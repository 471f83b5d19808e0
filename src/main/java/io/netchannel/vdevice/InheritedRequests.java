package io.netchannel.vdevice;

import java.nio.ByteBuffer;

/**
 * Requests that a frontend has put on a ring of before, which nobody serves any more: they are
 * taken ahead of those of its present ring, and answered there.
 */
public interface InheritedRequests {

  /** None: as of every frontend that puts its requests again on the ring it has. */
  InheritedRequests NONE =
      new InheritedRequests() {
        @Override
        public int count() {
          return 0;
        }

        @Override
        public int waiting() {
          return 0;
        }

        @Override
        public void take(ByteBuffer target) {
          throw new IllegalStateException("nothing is inherited");
        }
      };

  /** All of this connection, those that were taken and answered too. */
  int count();

  /** Those that are not taken. */
  int waiting();

  /**
   * Copies the next one's slot to {@code target}, from position 0; only while one is waiting.
   *
   * @throws RingBrokenException when an earlier process has found it, and it is there no more
   */
  void take(ByteBuffer target) throws RingBrokenException;
}
