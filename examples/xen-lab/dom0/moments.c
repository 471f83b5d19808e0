/*
 * moments ACTION...: does things in dom0 one after the other, with no fork between them, and says when, as JSON lines:
 * {"t":micros since 1970,"mono":micros of CLOCK_MONOTONIC,"e":"suspended", ...}
 *
 *   suspended DOMID        waits until the domain has suspended, by the hypervisor's word
 *   say TEXT               a line to the lab's disk (disk/one_head.py); "before" is the time before it was sent
 *   until TEXT             waits until that disk's status has TEXT in it
 *   poke DEVICE            begins to read its first sector and does not wait. QEMU 7.2's NBD client, once it had 16 requests
 *                          outstanding, keeps the last answer that came to itself until one more request is sent
 *   count FILE TEXT N      waits until TEXT has appeared N times in what FILE got since this program began
 *   unlink FILE
 *   pause MILLIS           gives the CPU to who waits for the file to go
 *   watch FILE             says each change of any domain's state while FILE exists
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CONTROL "/dev/vde"
#define SECTOR_BYTES 512
#define LIMIT_SECONDS 280 /* of any wait; below the lab's bound for a migration */
#define MAX_FILES 4
#define MAX_DOMAINS 64

/* xen/include/public: xen.h, domctl.h, sched.h */
#define HYPERVISOR_DOMCTL 36
#define DOMCTL_GETDOMAININFO 5
#define FIRST_INTERFACE 0x11
#define LAST_INTERFACE 0x20
#define FLAG_DYING (1u << 0)
#define FLAG_SHUTDOWN (1u << 2)
#define FLAG_PAUSED (1u << 3)
#define SHUTDOWN_SHIFT 16
#define SHUTDOWN_MASK 255u
#define SHUTDOWN_SUSPEND 2u
#define NOTEWORTHY (FLAG_DYING | FLAG_SHUTDOWN | FLAG_PAUSED | SHUTDOWN_MASK << SHUTDOWN_SHIFT)

struct hypercall { uint64_t op, arg[5]; };
#define PRIVCMD_HYPERCALL _IOC(_IOC_NONE, 'P', 0, sizeof(struct hypercall))

/* The start of struct xen_domctl with getdomaininfo in its union. */
struct domctl {
  uint32_t command, interface;
  uint16_t domain, pad[3];
  struct { uint16_t domain, pad; uint32_t flags; } info;
};

static struct domctl *domctl;
static int privcmd = -1;
static uint32_t interface_version;

static struct { const char *path; off_t size; } files[MAX_FILES];

static void fail(const char *what, const char *detail) {
  fprintf(stderr, "moments: %s %s: %s\n", what, detail, strerror(errno));
  exit(1);
}

static int64_t micros(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void note(const char *event, const char *key, const char *value) {
  printf("{\"t\":%lld,\"mono\":%lld,\"e\":\"%s\",\"%s\":\"%s\"}\n", (long long)micros(CLOCK_REALTIME),
         (long long)micros(CLOCK_MONOTONIC), event, key, value);
  fflush(stdout);
}

static void pause_shortly(void) {
  struct timespec millisecond = {0, 1000000};
  nanosleep(&millisecond, NULL);
}

/* One look per millisecond, bounded. */
static void wait_shortly(int64_t began, const char *what, const char *detail) {
  pause_shortly();
  if (micros(CLOCK_MONOTONIC) - began > LIMIT_SECONDS * 1000000LL) {
    errno = ETIMEDOUT;
    fail(what, detail);
  }
}

/* ------------------------------------------------------------------------------------------------- domains */

static int ask(uint32_t interface, uint16_t domain) {
  memset(domctl, 0, SECTOR_BYTES);
  domctl->command = DOMCTL_GETDOMAININFO;
  domctl->interface = interface;
  domctl->domain = domain;
  struct hypercall call = {HYPERVISOR_DOMCTL, {(uintptr_t)domctl}};
  return ioctl(privcmd, PRIVCMD_HYPERCALL, &call);
}

static void open_hypervisor(void) {
  if (privcmd >= 0) return;
  privcmd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
  if (privcmd < 0) fail("cannot open", "/dev/xen/privcmd");
  domctl = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE | MAP_LOCKED | MAP_POPULATE, -1, 0);
  if (domctl == MAP_FAILED) fail("cannot map", "a hypercall's page");
  for (interface_version = FIRST_INTERFACE; ask(interface_version, 0); interface_version++)
    if (interface_version == LAST_INTERFACE) fail("no interface version is understood by", "domctl");
}

/* The first domain whose id is not below this one: its id and flags; -1 when there is none. */
static int next_domain(int domain, uint32_t *flags) {
  if (ask(interface_version, (uint16_t)domain)) return -1;
  *flags = domctl->info.flags & NOTEWORTHY;
  return domctl->info.domain;
}

static int is_suspended(uint32_t flags) {
  return flags & FLAG_SHUTDOWN && (flags >> SHUTDOWN_SHIFT & SHUTDOWN_MASK) == SHUTDOWN_SUSPEND;
}

static void suspended(const char *domid) {
  open_hypervisor();
  uint32_t flags = 0;
  int64_t began = micros(CLOCK_MONOTONIC);
  while (next_domain(atoi(domid), &flags) != atoi(domid) || !is_suspended(flags))
    wait_shortly(began, "no suspend seen of domain", domid);
  note("suspended", "domain", domid);
}

static const char *state_name(uint32_t flags) {
  if (flags & FLAG_DYING) return "dying";
  if (is_suspended(flags)) return "suspended";
  if (flags & FLAG_SHUTDOWN) return "shutdown";
  return flags & FLAG_PAUSED ? "paused" : "runs";
}

static void watch(const char *while_exists) {
  struct { int id; uint32_t flags; int seen; } known[MAX_DOMAINS] = {0};
  char id[12];
  open_hypervisor();
  for (; access(while_exists, F_OK) == 0; pause_shortly()) {
    for (int k = 0; k < MAX_DOMAINS; k++) known[k].seen = 0;
    uint32_t flags;
    for (int domain = 1; (domain = next_domain(domain, &flags)) > 0; domain++) {
      int at = -1;
      for (int k = MAX_DOMAINS - 1; k >= 0; k--)
        if (known[k].id == domain || (at < 0 && !known[k].id)) {
          at = k;
          if (known[k].id == domain) break;
        }
      if (at < 0) fail("too many domains for", "watch");
      snprintf(id, sizeof id, "%d", domain);
      if (known[at].id != domain || known[at].flags != flags) note(state_name(flags), "domain", id);
      known[at].id = domain;
      known[at].flags = flags;
      known[at].seen = 1;
    }
    for (int k = 0; k < MAX_DOMAINS; k++)
      if (known[k].id && !known[k].seen) {
        snprintf(id, sizeof id, "%d", known[k].id);
        note("gone", "domain", id);
        known[k].id = 0;
      }
  }
}

/* ---------------------------------------------------------------------------------------- the lab's disk */

static int control = -1;
static char *sector;

static void open_control(void) {
  if (control >= 0) return;
  control = open(CONTROL, O_RDWR | O_DIRECT | O_CLOEXEC);
  if (control < 0) fail("cannot open", CONTROL);
  if (posix_memalign((void **)&sector, 4096, SECTOR_BYTES)) fail("no memory for", "a sector");
}

static void say(const char *text) {
  open_control();
  memset(sector, 0, SECTOR_BYTES);
  snprintf(sector, SECTOR_BYTES, "%s", text);
  long long before = micros(CLOCK_REALTIME);
  if (pwrite(control, sector, SECTOR_BYTES, 0) != SECTOR_BYTES) fail("the disk refused", text);
  printf("{\"t\":%lld,\"before\":%lld,\"e\":\"said\",\"text\":\"%s\"}\n", (long long)micros(CLOCK_REALTIME), before, text);
  fflush(stdout);
}

static void until(const char *text) {
  open_control();
  int64_t began = micros(CLOCK_MONOTONIC);
  for (;; wait_shortly(began, "the disk never said", text)) {
    if (pread(control, sector, SECTOR_BYTES, 0) != SECTOR_BYTES) fail("cannot read", CONTROL);
    sector[SECTOR_BYTES - 1] = 0;
    if (strstr(sector, text)) break;
  }
  note("until", "text", text);
}

static void poke(const char *device) {
  pid_t child = fork();
  if (child < 0) fail("cannot fork to read", device);
  if (child > 0) return;
  fclose(stdout); /* nobody is to wait for this child: its answer may be the next one that is kept */
  fclose(stderr);
  int file = open(device, O_RDONLY | O_DIRECT | O_CLOEXEC);
  void *buffer;
  if (file >= 0 && !posix_memalign(&buffer, 4096, SECTOR_BYTES)) (void)!pread(file, buffer, SECTOR_BYTES, 0);
  _exit(0);
}

/* ------------------------------------------------------------------------------------------------- files */

static void remember(const char *path) {
  struct stat found;
  for (int k = 0; k < MAX_FILES; k++)
    if (!files[k].path) {
      files[k].path = path;
      files[k].size = stat(path, &found) ? 0 : found.st_size;
      return;
    }
  fail("too many files:", path);
}

static int occurrences(const char *path, off_t from, const char *text) {
  int file = open(path, O_RDONLY | O_CLOEXEC), count = 0;
  if (file < 0) return 0;
  off_t length = lseek(file, 0, SEEK_END) - from;
  char *content = length > 0 ? calloc(1, (size_t)length + 1) : NULL;
  if (content && pread(file, content, (size_t)length, from) == length)
    for (char *at = content; (at = strstr(at, text)); at++) count++;
  free(content);
  close(file);
  return count;
}

static void count(const char *path, const char *text, const char *wanted) {
  off_t from = 0;
  for (int k = 0; k < MAX_FILES; k++)
    if (files[k].path && !strcmp(files[k].path, path)) from = files[k].size;
  int64_t began = micros(CLOCK_MONOTONIC);
  while (occurrences(path, from, text) < atoi(wanted)) wait_shortly(began, "not often enough in", path);
  note("counted", "times", wanted);
}

int main(int argc, char **argv) {
  for (int k = 1; k + 3 < argc; k++)
    if (!strcmp(argv[k], "count")) remember(argv[k + 1]);
  mlockall(MCL_CURRENT);
  for (int k = 1; k < argc;) {
    const char *action = argv[k++];
    int left = argc - k;
    if (!strcmp(action, "suspended") && left >= 1) suspended(argv[k++]);
    else if (!strcmp(action, "say") && left >= 1) say(argv[k++]);
    else if (!strcmp(action, "until") && left >= 1) until(argv[k++]);
    else if (!strcmp(action, "poke") && left >= 1) poke(argv[k++]);
    else if (!strcmp(action, "watch") && left >= 1) watch(argv[k++]);
    else if (!strcmp(action, "unlink") && left >= 1) {
      note("unlink", "file", argv[k]);
      if (unlink(argv[k++])) fail("cannot unlink", argv[k - 1]);
    } else if (!strcmp(action, "pause") && left >= 1) {
      for (int millis = atoi(argv[k++]); millis > 0; millis--) pause_shortly();
    } else if (!strcmp(action, "count") && left >= 3) {
      count(argv[k], argv[k + 1], argv[k + 2]);
      k += 3;
    } else {
      errno = EINVAL;
      fail("expected an action with its arguments, found", action);
    }
  }
  return 0;
}
