/*
 * hot DEVICE BLOCKS DEPTH EACH_SECOND: rewrites the first so many blocks of a device for ever, one after the other and
 * from the beginning again, so many a second at most and so many at a time; no block is ever in flight twice. Each block
 * is full of the offset it belongs to and the time of the write: xenlab/watch.py looks at it from outside.
 *
 * No fio: where a sleep takes long, as in an emulated guest, fio waits for its rate in a loop, and the guest does nothing
 * else. It never waits for one write in the kernel: a task that does cannot be frozen, and the guest does not suspend.
 *
 * Ends when there is a /run/stop and all is answered. Says nothing but: hot FAILED on DEVICE: ...
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
  BLOCK = 4096,
  MOST = 32, /* blocks, and requests at a time */
};

#define SECOND_NANOS INT64_C(1000000000)
/* How often it looks for /run/stop. A task that was frozen is not always woken for what was answered meanwhile either. */
#define LOOK_NANOS (SECOND_NANOS / 4)

/* As in xenlab/watch.py. */
struct record {
  char magic[8];
  uint64_t offset, nanos, unused;
};
static const char MAGIC[8] = "nclabhot";

static const char *device_name;

static void fail(const char *what) {
  printf("hot FAILED on %s: %s: %s\n", device_name, what, strerror(errno));
  exit(1);
}

static int64_t nanos(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * SECOND_NANOS + now.tv_nsec;
}

static void submit(aio_context_t context, int device, struct record *block, int index) {
  struct record record = {.offset = (uint64_t)index * BLOCK, .nanos = (uint64_t)nanos(CLOCK_REALTIME)};
  memcpy(record.magic, MAGIC, sizeof MAGIC);
  for (size_t i = 0; i < BLOCK / sizeof record; i++) block[i] = record;
  struct iocb request = {
      .aio_fildes = (uint32_t)device,
      .aio_lio_opcode = IOCB_CMD_PWRITE,
      .aio_buf = (uintptr_t)block,
      .aio_nbytes = BLOCK,
      .aio_offset = (int64_t)record.offset,
      .aio_data = (uint64_t)index,
  };
  struct iocb *list = &request;
  if (syscall(SYS_io_submit, context, 1, &list) != 1) fail("io_submit");
}

static void rewrite(aio_context_t context, int device, struct record *memory, int blocks, int depth, int64_t pause) {
  char busy[MOST] = {0};
  int next = 0, in_flight = 0;
  for (int64_t due = 0;;) {
    int64_t now = nanos(CLOCK_MONOTONIC);
    int stop = access("/run/stop", F_OK) == 0;
    if (stop && !in_flight) return;
    int ready = !stop && in_flight < depth && !busy[next];
    if (ready && now >= due) {
      submit(context, device, memory + (size_t)next * (BLOCK / sizeof *memory), next);
      busy[next] = 1;
      in_flight++;
      next = (next + 1) % blocks;
      due = now + pause;
      continue;
    }
    int64_t wait = ready && due - now < LOOK_NANOS ? due - now : LOOK_NANOS;
    struct timespec bound = {wait / SECOND_NANOS, wait % SECOND_NANOS};
    struct io_event done[MOST];
    long count = syscall(SYS_io_getevents, context, 1L, (long)MOST, done, &bound);
    if (count < 0 && errno != EINTR) fail("io_getevents");
    for (long i = 0; i < count; i++) {
      if (done[i].res != BLOCK) {
        errno = done[i].res < 0 ? (int)-done[i].res : EIO;
        fail("a write");
      }
      busy[done[i].data] = 0;
      in_flight--;
    }
  }
}

int main(int count, char **arguments) {
  int blocks = count == 5 ? atoi(arguments[2]) : 0, depth = blocks ? atoi(arguments[3]) : 0;
  int each_second = blocks ? atoi(arguments[4]) : 0;
  if (blocks < 1 || blocks > MOST || depth < 1 || depth > MOST || each_second < 1) {
    printf("hot FAILED: expected DEVICE BLOCKS DEPTH EACH_SECOND, at most %d blocks, and requests at a time\n", MOST);
    return 2;
  }
  device_name = arguments[1];
  int device = open(device_name, O_WRONLY | O_DIRECT);
  if (device < 0) fail("open");
  aio_context_t context = 0;
  if (syscall(SYS_io_setup, MOST, &context)) fail("io_setup");
  struct record *memory = aligned_alloc(BLOCK, (size_t)blocks * BLOCK);
  if (!memory) fail("memory");
  rewrite(context, device, memory, blocks, depth, SECOND_NANOS / each_second);
  return 0;
}
