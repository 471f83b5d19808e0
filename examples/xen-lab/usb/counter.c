/*
 * counter TTY [STOP]: numbers over a serial line, in both directions, ten digits and a newline each. What is read must count by one;
 * what is written does, PACE_MILLIS apart.
 *
 * Waits for the line, also after it has gone. Each time it is there it begins with an empty line, and passes over what is left of
 * the one that is being received; after an empty line the other end goes on later, never earlier. The other end is xenlab/usb_ends.py; or
 * the same program in dom0, which has a file STOP to end it, and says nothing before the guest has: what a guest's Linux gets before
 * it is told not to it sends back. Without STOP it ends when there is a /run/stop.
 *
 * Said on the console: counter here | counter gone | counter R read, W written, newest N (every REPORT_SECONDS) |
 * counter FAILED: ... | counter final R read, W written, newest N
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum {
  DIGITS = 10, /* as in xenlab/usb_ends.py */
  PACE_MILLIS = 100,
  LOOK_MILLIS = 200,
  REPORT_SECONDS = 10,
};

struct counter {
  int line; /* -1: there is none */
  char out[DIGITS + 2];
  char in[DIGITS + 2]; /* of a longer line its beginning */
  char odd[DIGITS + 2]; /* the first line that was no number, since the last empty one */
  int out_length, out_done, in_length;
  int speaks;
  int in_step;       /* it knows where a number begins */
  int again;         /* the other end begins: any number after the last may come */
  uint64_t last;     /* that was read */
  uint64_t written;  /* the newest one */
  uint64_t read;     /* how many */
  int64_t due_millis;
};

static const char *stop = "/run/stop";
static int answers; /* after the other end only */

static int stopping(void) { return access(stop, F_OK) == 0; }

static int64_t now_millis(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static void fail(const char *expected, const char *found) {
  printf("counter FAILED: expected %s, found %s\n", expected, found);
  exit(1);
}

static int opened(struct counter *c, const char *path) {
  c->line = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
  if (c->line < 0) return 0;
  struct termios settings;
  if (tcgetattr(c->line, &settings)) {
    close(c->line);
    c->line = -1;
    return 0;
  }
  cfmakeraw(&settings);
  settings.c_cflag |= CLOCAL | CREAD;
  cfsetspeed(&settings, B115200);
  tcsetattr(c->line, TCSANOW, &settings);
  c->out_length = sprintf(c->out, "\n\n"); /* the first ends what was left half written */
  c->out_done = c->in_length = c->in_step = 0;
  c->again = 1;
  c->odd[0] = 0;
  c->speaks = !answers;
  printf("counter here\n");
  return 1;
}

/* What comes before an empty line is the end of a number, or an echo: Linux sends back what it receives until it is told not to. */
static void line_read(struct counter *c) {
  char expected[DIGITS + 1];
  char *end;
  c->in[c->in_length] = 0;
  if (c->in_length == 0) {
    c->again = c->speaks = 1;
    c->odd[0] = 0;
    return;
  }
  uint64_t found = strtoull(c->in, &end, 10);
  if (c->in_length != DIGITS || *end) {
    if (!c->odd[0]) strcpy(c->odd, c->in);
    return;
  }
  if (c->odd[0]) fail("a number of ten digits", c->odd);
  snprintf(expected, sizeof expected, "%0*lu", DIGITS, c->last + 1);
  if (found != c->last + 1 && !(c->again && found > c->last)) fail(expected, c->in);
  c->last = found;
  c->again = 0;
  c->read++;
}

static void received(struct counter *c, const char *bytes, long length) {
  for (long i = 0; i < length; i++) {
    if (bytes[i] == '\n') {
      if (c->in_step) line_read(c);
      c->in_step = 1;
      c->in_length = 0;
    } else if (c->in_step && c->in_length <= DIGITS) {
      c->in[c->in_length++] = bytes[i];
    }
  }
}

/* False when the line has gone. */
static int exchange(struct counter *c) {
  if (c->out_done == c->out_length && now_millis() >= c->due_millis) {
    c->due_millis = now_millis() + PACE_MILLIS;
    c->out_length = sprintf(c->out, "%0*lu\n", DIGITS, ++c->written);
    c->out_done = 0;
  }
  int writes = c->speaks && c->out_done < c->out_length;
  struct pollfd line = {.fd = c->line, .events = (short)(POLLIN | (writes ? POLLOUT : 0))};
  if (poll(&line, 1, writes ? LOOK_MILLIS : PACE_MILLIS) < 0) return errno == EINTR;
  if (line.revents & (POLLHUP | POLLERR)) return 0;
  if (line.revents & POLLIN) {
    char bytes[256];
    long length = read(c->line, bytes, sizeof bytes);
    if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR)) return 0;
    if (length > 0) received(c, bytes, length);
  }
  if (line.revents & POLLOUT) {
    long length = write(c->line, c->out + c->out_done, (size_t)(c->out_length - c->out_done));
    if (length < 0) return errno == EAGAIN || errno == EINTR;
    c->out_done += (int)length;
  }
  return 1;
}

static void report(const char *when, const struct counter *c) {
  printf("counter %s%lu read, %lu written, newest %lu\n", when, c->read, c->written, c->last);
}

int main(int count, char **arguments) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (count < 2 || count > 3) fail("TTY [STOP]", "other arguments");
  if (count == 3) {
    stop = arguments[2];
    answers = 1;
  }
  struct counter c = {.line = -1};
  for (int64_t reported = now_millis(); !stopping();) {
    if (c.line < 0 && !opened(&c, arguments[1])) {
      usleep(LOOK_MILLIS * 1000);
      continue;
    }
    if (!exchange(&c)) {
      printf("counter gone\n");
      close(c.line);
      c.line = -1;
    }
    if (now_millis() - reported >= REPORT_SECONDS * 1000) {
      reported = now_millis();
      report("", &c);
    }
  }
  if (c.line >= 0) tcdrain(c.line); /* what is on its way gets there */
  report("final ", &c);
  return 0;
}
