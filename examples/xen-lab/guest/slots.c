// slots MODE:DEVICE...: rewrites SLOTS blocks of each device for ever, a counter in each. Runs in the guest in place of fio.
//
//   aio       per slot one asynchronous O_DIRECT write; when it is done, a pause, then the block is read back and compared
//   buffered  plain write() into the page cache; what reaches the disk, and when, is the kernel's writeback
//
// Seen from outside the counter in a block only ever grows; xenlab/slots.py reads it there. Neither mode ever waits for a
// write in the kernel: a task that does cannot be frozen, and the guest does not suspend before it can, that is before
// the writes that are to be caught by the suspend are done.
//
// Said on the console, NAME being the device's:
//   slots NAME MODE: W writes                      every REPORT_SECONDS
//   slots NAME: slot I STALE: wrote C, reads C'    an aio slot has lost what it had been told was written
//   slots NAME final C0 C1 ...                     after /run/stop: the counters on the disk, read back
//   slots NAME FAILED: ...
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
  SLOTS = 16,                // as in xenlab/slots.py, like STRIDE and struct record
  BLOCK = 4096,              // a page: a buffered write of one needs no read
  STRIDE = 2 * BLOCK,        // a gap between blocks: none is ever merged with its neighbour
  PACE_MILLIS = 500,         // between two writes of a slot: 32 requests a second are enough for an emulated host
  TICK_MILLIS = 20,
  REPORT_SECONDS = 10,
};

// A block holds nothing but copies of one record, so one that is torn is seen.
struct record {
  char magic[8];
  uint64_t slot, counter, unused;
};
static const char MAGIC[8] = "ncslots1";

static const char *name; // of this process's device

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

static void fail(const char *what) {
  printf("slots %s FAILED: %s: %s\n", name, what, strerror(errno));
  exit(1);
}

static int stopping(void) { return access("/run/stop", F_OK) == 0; }

static struct record *new_block(void) {
  struct record *block = aligned_alloc(BLOCK, BLOCK);
  if (!block) fail("memory");
  return block;
}

static void fill(struct record *block, int slot, uint64_t counter) {
  struct record record = {.slot = slot, .counter = counter};
  memcpy(record.magic, MAGIC, sizeof MAGIC);
  for (size_t i = 0; i < BLOCK / sizeof record; i++) block[i] = record;
}

// The counter in a block that was read; one that is torn, or no block of this slot, fails.
static uint64_t counter_in(const struct record *block, int slot) {
  errno = EILSEQ;
  if (memcmp(block->magic, MAGIC, sizeof MAGIC) || block->slot != (uint64_t)slot) fail("a block that is not the slot's");
  for (size_t i = 1; i < BLOCK / sizeof *block; i++)
    if (memcmp(&block[i], block, sizeof *block)) fail("a torn block");
  return block->counter;
}

static void report(const char *mode, uint64_t writes) {
  static double last;
  if (seconds() - last < REPORT_SECONDS) return;
  last = seconds();
  printf("slots %s %s: %lu writes\n", name, mode, writes);
}

// Reads every slot from the disk itself and says what is there.
static void finish(const char *device, const uint64_t *counters) {
  int direct = open(device, O_RDONLY | O_DIRECT);
  if (direct < 0) fail(device);
  struct record *block = new_block();
  char line[SLOTS * 21 + 1] = "";
  for (int i = 0; i < SLOTS; i++) {
    if (pread(direct, block, BLOCK, (off_t)i * STRIDE) != BLOCK) fail("read");
    uint64_t found = counter_in(block, i);
    if (found != counters[i]) {
      printf("slots %s FAILED: slot %d wrote %lu, at the end it reads %lu\n", name, i, counters[i], found);
      exit(1);
    }
    sprintf(line + strlen(line), " %lu", found);
  }
  printf("slots %s final%s\n", name, line);
}

// ------------------------------------------------------------------------------------------------- aio

// A slot goes round: WRITING, RESTING for PACE_MILLIS, READING.
struct slot {
  enum { IDLE, WRITING, RESTING, READING } state;
  struct iocb request;
  struct record *block;
  uint64_t counter; // of the newest write
  double due;       // RESTING: when to read
};

static void submit(aio_context_t context, int device, struct slot *slot, int index) {
  slot->request = (struct iocb){
      .aio_fildes = device,
      .aio_lio_opcode = slot->state == WRITING ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
      .aio_buf = (uintptr_t)slot->block,
      .aio_nbytes = BLOCK,
      .aio_offset = (int64_t)index * STRIDE,
      .aio_data = index,
  };
  struct iocb *request = &slot->request;
  if (syscall(SYS_io_submit, context, 1, &request) != 1) fail("io_submit");
}

static void completed(struct slot *slot, int index, int64_t result) {
  if (result != BLOCK) {
    errno = result < 0 ? -result : EIO;
    fail(slot->state == WRITING ? "write" : "read");
  }
  if (slot->state == WRITING) {
    slot->state = RESTING;
    slot->due = seconds() + PACE_MILLIS / 1e3;
    return;
  }
  slot->state = IDLE;
  uint64_t found = counter_in(slot->block, index);
  if (found != slot->counter)
    printf("slots %s: slot %d STALE: wrote %lu, reads %lu\n", name, index, slot->counter, found);
}

static void aio(const char *path) {
  int device = open(path, O_RDWR | O_DIRECT);
  if (device < 0) fail(path);
  aio_context_t context = 0;
  if (syscall(SYS_io_setup, SLOTS, &context)) fail("io_setup");
  struct slot slots[SLOTS] = {0};
  for (int i = 0; i < SLOTS; i++) slots[i].block = new_block();
  uint64_t writes = 0;
  for (int busy = 1; busy;) {
    int stop = stopping();
    busy = !stop;
    for (int i = 0; i < SLOTS; i++) {
      struct slot *slot = &slots[i];
      if (slot->state == IDLE && !stop) {
        fill(slot->block, i, ++slot->counter);
        slot->state = WRITING;
        submit(context, device, slot, i);
        writes++;
      } else if (slot->state == RESTING && seconds() >= slot->due) {
        slot->state = READING;
        submit(context, device, slot, i);
      }
      busy |= slot->state != IDLE;
    }
    struct io_event done[SLOTS];
    struct timespec tick = {.tv_nsec = TICK_MILLIS * 1000000};
    int count = syscall(SYS_io_getevents, context, 1, SLOTS, done, &tick);
    if (count < 0 && errno != EINTR) fail("io_getevents");
    for (int i = 0; i < count; i++) completed(&slots[done[i].data], done[i].data, done[i].res);
    report("aio", writes);
  }
  uint64_t counters[SLOTS];
  for (int i = 0; i < SLOTS; i++) counters[i] = slots[i].counter;
  finish(path, counters);
}

// ---------------------------------------------------------------------------------------------- buffered

static void set(const char *path, const char *value) {
  int file = open(path, O_WRONLY);
  if (file < 0 || write(file, value, strlen(value)) < 0) fail(path);
  close(file);
}

static void buffered(const char *path) {
  // Writeback twice a second, of all that is older than half a second.
  set("/proc/sys/vm/dirty_expire_centisecs", "50");
  set("/proc/sys/vm/dirty_writeback_centisecs", "50");
  // No throttling of writeback: the kernel's thread would wait for a slow disk with a page locked, and we for the page.
  char throttling[64];
  snprintf(throttling, sizeof throttling, "/sys/block/%s/queue/wbt_lat_usec", name);
  set(throttling, "0");
  int device = open(path, O_RDWR); // stays open: closing it last would write and wait
  if (device < 0) fail(path);
  struct record *block = new_block();
  uint64_t counters[SLOTS] = {0}, writes = 0;
  while (!stopping()) {
    for (int i = 0; i < SLOTS; i++, writes++) {
      fill(block, i, ++counters[i]);
      if (pwrite(device, block, BLOCK, (off_t)i * STRIDE) != BLOCK) fail("write");
    }
    report("buffered", writes);
    usleep(PACE_MILLIS * 1000);
  }
  if (fsync(device)) fail("fsync");
  finish(path, counters);
}

int main(int count, char **arguments) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = 1; i < count; i++) {
    char *device = strchr(arguments[i], ':');
    int direct = !strncmp(arguments[i], "aio:", 4);
    if (!device || !(direct || !strncmp(arguments[i], "buffered:", 9))) {
      printf("slots FAILED: expected aio:DEVICE or buffered:DEVICE, found %s\n", arguments[i]);
      return 2;
    }
    device++;
    name = strrchr(device, '/') ? strrchr(device, '/') + 1 : device;
    if (fork() == 0) {
      direct ? aio(device) : buffered(device);
      return 0;
    }
  }
  while (wait(NULL) > 0) {
  }
  return 0;
}
