package io.netchannel.midpoint.block;

import io.netchannel.vdevice.block.BlockOperation;
import io.netchannel.vdevice.block.ResponseStatus;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What frontend and backend share: rings in guest memory, which outlive the backend's process.
 * Indices run freely; nothing is overwritten, so that a test can look back.
 */
final class SharedRings {
  /** A ring slot and the granted memory, which may be null: the grant is bad. */
  static final class Request {
    private final long id;
    private final BlockOperation operation;
    private final long offset;
    private final long length;
    private final byte[] data;

    Request(long id, BlockOperation operation, long offset, long length, byte[] data) {
      this.id = id;
      this.operation = operation;
      this.offset = offset;
      this.length = length;
      this.data = data;
    }

    long id() {
      return id;
    }

    BlockOperation operation() {
      return operation;
    }

    long offset() {
      return offset;
    }

    long length() {
      return length;
    }

    byte[] data() {
      return data;
    }

    @Override
    public String toString() {
      return operation + " of " + length + " bytes at " + offset + ", id " + id;
    }
  }

  record Response(long id, ResponseStatus status) {}

  static final class Queue {
    final List<Request> requests = new ArrayList<>();
    final List<Response> responses = new ArrayList<>();
    final Map<Long, Request> outstanding = new HashMap<>();

    /** The frontend has taken the responses before this. */
    int responseConsumer;
  }

  final List<Queue> queues = new ArrayList<>();

  SharedRings(int count) {
    for (int i = 0; i < count; i++) {
      queues.add(new Queue());
    }
  }

  void push(int queue, Request request) {
    Queue ring = queues.get(queue);
    if (ring.outstanding.put(request.id(), request) != null) {
      throw new AssertionError("test: id " + request.id() + " is outstanding");
    }
    ring.requests.add(request);
  }

  void publish(int queue, Response response) {
    Queue ring = queues.get(queue);
    if (ring.outstanding.remove(response.id()) == null) {
      throw new AssertionError(
          "request " + response.id() + " of queue " + queue + " was answered twice");
    }
    ring.responses.add(response);
  }
}
