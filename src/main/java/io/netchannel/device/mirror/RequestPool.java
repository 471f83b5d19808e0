package io.netchannel.device.mirror;

import io.netchannel.device.mirror.MirroredRequest.Ended;

/**
 * Requests that are used again, so that a guest's makes no object. Guarded by the mirror's lock.
 */
final class RequestPool {
  private final RequestQueue free = new RequestQueue();
  private final Ended leaderEnded;
  private final Ended followerEnded;

  RequestPool(Ended leaderEnded, Ended followerEnded) {
    this.leaderEnded = leaderEnded;
    this.followerEnded = followerEnded;
  }

  MirroredRequest take() {
    MirroredRequest request = free.poll();
    return request == null ? new MirroredRequest(leaderEnded, followerEnded) : request;
  }

  /** Once both legs have done with it, and its guest has its answer. */
  void giveBackIfDone(MirroredRequest request) {
    if (!request.isUnderWay() && !request.toAnswer) {
      request.data = null;
      request.guest = null;
      free.add(request);
    }
  }
}
