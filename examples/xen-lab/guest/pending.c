/*
 * pending DEVICE BASE: keeps exactly so many requests outstanding, rounds told on the fifo /run/pending:
 *
 *   echo round K P I >/run/pending
 *
 * Round K submits P requests of 4 KiB at once, I of them to the upper half of the device, the rest to the lower half,
 * reads and writes in turn, too far apart to be merged; then it waits until all are answered, checks what was read, reads
 * back what was written and checks that. A block holds the round that wrote it and its place. BASE: bytes into each half, so
 * that two guests can share a device.
 *
 * Said: pending ready | pending round K outstanding P | pending round K answered, ... | pending round K ok | ... FAILED
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FIFO "/run/pending"
#define BLOCK_BYTES 4096
#define STRIDE_BYTES (128 << 10)
#define MOST 32 /* slots of a blkif ring of one page */
#define WORDS (BLOCK_BYTES / 8)
/* A task that looks every few milliseconds and has not looked for so long was stopped: with its guest, or by load. */
#define GAP_MICROS 100000

struct block {
  off_t offset;
  uint64_t place; /* for the pattern: half and number */
  uint64_t round; /* what it holds */
};

static int device;
static aio_context_t context;
static struct block blocks[2][MOST]; /* lower half, upper half */
static uint64_t (*buffers)[WORDS];

static int64_t micros(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void die(const char *what) {
  printf("pending FAILED: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t pattern(const struct block *block, int word) {
  return (block->round << 32 | block->place << 16 | (uint64_t)word) * 0x9E3779B97F4A7C15u;
}

static void fill(uint64_t *buffer, const struct block *block) {
  for (int word = 0; word < WORDS; word++) buffer[word] = pattern(block, word);
}

static int holds(const uint64_t *buffer, const struct block *block) {
  for (int word = 0; word < WORDS; word++)
    if (buffer[word] != pattern(block, word)) return 0;
  return 1;
}

/* Request number `at` of `count`, in buffer `at`. */
static void prepare(struct iocb *request, int at, const struct block *block, int writes) {
  memset(request, 0, sizeof *request);
  request->aio_data = (uint64_t)at;
  request->aio_lio_opcode = writes ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
  request->aio_fildes = (uint32_t)device;
  request->aio_buf = (uintptr_t)buffers[at];
  request->aio_nbytes = BLOCK_BYTES;
  request->aio_offset = block->offset;
}

static void submit(struct iocb *requests, int count) {
  struct iocb *list[MOST];
  for (int k = 0; k < count; k++) list[k] = &requests[k];
  for (int done = 0; done < count;) {
    long taken = syscall(SYS_io_submit, context, (long)(count - done), list + done);
    if (taken <= 0) die("io_submit");
    done += (int)taken;
  }
}

/* Waits a few milliseconds at most. Returns the number of events; a wait that the freezer ended is none. */
static int events(struct io_event *found, int most) {
  struct timespec shortly = {0, 5000000};
  long count = syscall(SYS_io_getevents, context, 1L, (long)most, found, &shortly);
  if (count < 0 && errno != EINTR) die("io_getevents");
  return count < 0 ? 0 : (int)count;
}

static void expect_whole(const struct io_event *event) {
  if (event->res != BLOCK_BYTES) {
    errno = event->res < 0 ? (int)-event->res : EIO;
    die("a request");
  }
}

/* Plain: submits and waits for all. */
static void transfer(struct iocb *requests, int count) {
  struct io_event found[MOST];
  submit(requests, count);
  for (int done = 0; done < count;) {
    int more = events(found, MOST);
    for (int k = 0; k < more; k++) expect_whole(&found[k]);
    done += more;
  }
}

static void write_all(void) {
  struct iocb requests[MOST];
  for (int half = 0; half < 2; half++) {
    for (int k = 0; k < MOST; k++) {
      fill(buffers[k], &blocks[half][k]);
      prepare(&requests[k], k, &blocks[half][k], 1);
    }
    transfer(requests, MOST);
  }
}

static void run_round(unsigned round, int pending, int incomplete) {
  struct iocb requests[MOST];
  struct io_event found[MOST];
  struct block *chosen[MOST];
  int writes[MOST];
  for (int k = 0; k < pending; k++) {
    chosen[k] = &blocks[k < incomplete][k];
    writes[k] = (k + round) % 2;
    memset(buffers[k], 0, BLOCK_BYTES);
    if (writes[k]) {
      chosen[k]->round = round;
      fill(buffers[k], chosen[k]);
    }
    prepare(&requests[k], k, chosen[k], writes[k]);
  }
  submit(requests, pending);
  printf("pending round %u outstanding %d\n", round, pending);

  int done = 0;
  int64_t last_look = micros(), resumed = last_look, gap = 0, first = 0, last = 0;
  while (done < pending) {
    int more = events(found, MOST);
    int64_t now = micros();
    if (now - last_look > GAP_MICROS && !done) { /* the last gap before the first answer is the migration */
      gap = now - last_look;
      resumed = now;
    }
    last_look = now;
    for (int k = 0; k < more; k++) {
      expect_whole(&found[k]);
      first = done++ ? first : now;
      last = now;
    }
  }
  printf("pending round %u answered, user space stood %lld us, then first after %lld us, last after %lld us\n", round,
         (long long)gap, (long long)(first - resumed), (long long)(last - resumed));

  for (int k = 0; k < pending; k++)
    if (!writes[k] && !holds(buffers[k], chosen[k])) {
      printf("pending round %u FAILED: the read at %lld does not return what was written\n", round, (long long)chosen[k]->offset);
      return;
    }
  for (int k = 0; k < pending; k++) {
    memset(buffers[k], 0, BLOCK_BYTES);
    prepare(&requests[k], k, chosen[k], 0);
  }
  transfer(requests, pending);
  for (int k = 0; k < pending; k++)
    if (!holds(buffers[k], chosen[k])) {
      printf("pending round %u FAILED: %lld does not hold what was written\n", round, (long long)chosen[k]->offset);
      return;
    }
  printf("pending round %u ok\n", round);
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc != 3) die("expected DEVICE BASE");
  uint64_t size_bytes;
  device = open(argv[1], O_RDWR | O_DIRECT);
  if (device < 0 || ioctl(device, BLKGETSIZE64, &size_bytes)) die(argv[1]);
  if (syscall(SYS_io_setup, MOST, &context)) die("io_setup");
  if (posix_memalign((void **)&buffers, BLOCK_BYTES, (size_t)MOST * BLOCK_BYTES)) die("memory");
  for (uint64_t half = 0; half < 2; half++)
    for (uint64_t k = 0; k < MOST; k++) {
      blocks[half][k].offset = (off_t)(half * (size_bytes / 2) + strtoull(argv[2], NULL, 10) + k * STRIDE_BYTES);
      blocks[half][k].place = half << 8 | k;
    }
  mlockall(MCL_CURRENT);
  write_all();
  mkfifo(FIFO, 0600);
  int descriptor = open(FIFO, O_RDWR); /* for writing too: never an end of file */
  FILE *fifo = descriptor < 0 ? NULL : fdopen(descriptor, "r");
  if (!fifo) die(FIFO);
  printf("pending ready\n");
  char line[100];
  while (fgets(line, sizeof line, fifo)) {
    unsigned round;
    int pending, incomplete;
    if (sscanf(line, "round %u %d %d", &round, &pending, &incomplete) == 3 && pending > 0 && pending <= MOST &&
        incomplete >= 0 && incomplete <= pending)
      run_round(round, pending, incomplete);
    else
      printf("pending FAILED: expected `round K P I`, found %s", line);
  }
  return 0;
}
