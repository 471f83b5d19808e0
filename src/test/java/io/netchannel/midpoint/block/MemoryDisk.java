package io.netchannel.midpoint.block;

import io.netchannel.midpoint.block.SharedRings.Request;
import io.netchannel.midpoint.block.SharedRings.Response;
import io.netchannel.vdevice.block.BlockGeometry;
import io.netchannel.vdevice.block.BlockOperation;
import io.netchannel.vdevice.block.BlockRequest;
import io.netchannel.vdevice.block.ResponseStatus;
import io.netchannel.vdevice.block.VirtualDisk;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The contract of a virtual disk over rings in memory; the test plays the frontend. */
final class MemoryDisk implements VirtualDisk {
  private State state = State.PREPARED;
  private SharedRings rings;
  private int[] requestConsumers = new int[0];
  private List<List<Response>> unpublished = new ArrayList<>();
  private SharedRings arriving;
  private State leaving;
  private int connection;
  private int held;
  int maxHeld = Integer.MAX_VALUE;
  private String fence;
  boolean closed;
  boolean nodesRemoved;

  /** The frontend connects with these rings once the disk is offered. */
  void connect(SharedRings newRings) {
    arriving = newRings;
  }

  /** The frontend's connection ends. */
  void disconnect(State reason) {
    leaving = reason;
  }

  /** A backend whose process has started anew: Connected, the rings not mapped yet. */
  static MemoryDisk restarted(SharedRings rings) {
    MemoryDisk disk = new MemoryDisk();
    disk.state = State.CONNECTED;
    disk.rings = rings;
    return disk;
  }

  /** Connected, and the frontend is not about to leave or to come. */
  boolean isSteady() {
    return state == State.CONNECTED && leaving == null && arriving == null;
  }

  /** From now on touching the guest is a failure of the test. */
  void fence(String reason) {
    fence = reason;
  }

  private void touch() {
    if (fence != null) {
      throw new AssertionError("the guest was touched although " + fence);
    }
  }

  @Override
  public State state() {
    return state;
  }

  @Override
  public Optional<BlockGeometry> offered() {
    return Optional.empty();
  }

  @Override
  public void offer(BlockGeometry geometry) {
    if (state != State.PREPARED) {
      throw new AssertionError("offered while " + state);
    }
    state = State.OFFERED;
  }

  @Override
  public int poll(Handler<BlockRequest> handler, int maxRequests) {
    if (leaving != null) {
      boolean was = state == State.CONNECTED;
      state = leaving;
      leaving = null;
      if (was) {
        connection++;
        handler.onDisconnected();
      }
      return 1;
    }
    if (state == State.CLOSED && arriving != null) {
      state = State.PREPARED;
      return 1;
    }
    if (state == State.OFFERED && arriving != null) {
      map(arriving);
      arriving = null;
      state = State.CONNECTED;
      handler.onConnected();
      return 1;
    }
    int count = 0;
    if (state == State.CONNECTED) {
      for (int queue = 0; queue < rings.queues.size(); queue++) {
        List<Request> requests = rings.queues.get(queue).requests;
        while (count < maxRequests && held < maxHeld && requestConsumers[queue] < requests.size()) {
          touch();
          Taken taken = new Taken(queue, requestConsumers[queue]++);
          held++;
          handler.onRequest(taken);
          count++;
        }
      }
    }
    return count;
  }

  private void map(SharedRings newRings) {
    rings = newRings;
    requestConsumers = new int[rings.queues.size()];
    unpublished = new ArrayList<>();
    for (int i = 0; i < requestConsumers.length; i++) {
      unpublished.add(new ArrayList<>());
    }
  }

  @Override
  public void publishResponses() {
    if (state != State.CONNECTED) {
      return;
    }
    for (int queue = 0; queue < unpublished.size(); queue++) {
      for (Response response : unpublished.get(queue)) {
        touch();
        rings.publish(queue, response);
      }
      unpublished.get(queue).clear();
    }
  }

  @Override
  public int untaken() {
    int count = 0;
    for (int queue = 0; queue < requestConsumers.length; queue++) {
      count += rings.queues.get(queue).requests.size() - requestConsumers[queue];
    }
    return count;
  }

  @Override
  public List<BlockRequest> reattach(List<ByteBuffer> encoded, int[] consumers) {
    map(rings);
    System.arraycopy(consumers, 0, requestConsumers, 0, requestConsumers.length);
    List<BlockRequest> unanswered = new ArrayList<>();
    for (ByteBuffer bytes : encoded) {
      int queue = bytes.getInt();
      int index = bytes.getInt();
      int response = bytes.getInt();
      if (response < 0 || response >= rings.queues.get(queue).responses.size()) {
        unanswered.add(new Taken(queue, index));
        held++;
      }
    }
    return unanswered;
  }

  @Override
  public int requestConsumer(int queue) {
    return requestConsumers[queue];
  }

  @Override
  public int queues() {
    return requestConsumers.length;
  }

  @Override
  public void close(boolean removeNodes) {
    closed = true;
    nodesRemoved = removeNodes || state == State.GONE;
  }

  private final class Taken implements BlockRequest {
    private final int queue;
    private final int index;
    private final Request request;
    private final int connectionTaken = connection;
    private int response = -1;
    private boolean released;

    Taken(int queue, int index) {
      this.queue = queue;
      this.index = index;
      request = rings.queues.get(queue).requests.get(index);
    }

    private boolean isConnected() {
      if (released) {
        throw new AssertionError("used after release");
      }
      return connection == connectionTaken && state == State.CONNECTED;
    }

    @Override
    public int queue() {
      return queue;
    }

    @Override
    public long id() {
      return request.id();
    }

    @Override
    public BlockOperation operation() {
      return request.operation();
    }

    @Override
    public long offsetBytes() {
      return request.offset();
    }

    @Override
    public long lengthBytes() {
      return request.length();
    }

    @Override
    public boolean copyFromGuest(ByteBuffer data) {
      touch();
      if (!isConnected()) {
        throw new AssertionError("data copied although the connection has ended");
      }
      if (request.data() == null) {
        return false;
      }
      data.put(0, request.data());
      return true;
    }

    @Override
    public boolean copyToGuest(ByteBuffer data) {
      touch();
      if (!isConnected()) {
        throw new AssertionError("data copied although the connection has ended");
      }
      data.get(0, request.data());
      return true;
    }

    @Override
    public int respond(ResponseStatus status) {
      touch();
      if (response >= 0) {
        throw new AssertionError("request " + request.id() + " was answered twice");
      }
      response = rings.queues.get(queue).responses.size() + unpublished.get(queue).size();
      if (isConnected()) {
        unpublished.get(queue).add(new Response(request.id(), status));
      }
      return response;
    }

    @Override
    public boolean seen() {
      return isConnected() && response >= 0 && response < rings.queues.get(queue).responseConsumer;
    }

    @Override
    public void encode(ByteBuffer target) {
      target.putInt(queue).putInt(index).putInt(response);
    }

    @Override
    public void release() {
      if (released) {
        throw new AssertionError("released twice");
      }
      released = true;
      held--;
    }
  }
}
