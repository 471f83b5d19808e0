/*
 * keys [N]: reads the guest's keyboard. What is typed must be the alphabet, over and over: a key that is lost or comes twice shows. N have
 * come before.
 *
 * Waits for a keyboard, also after one has gone; the next key is then the one after the last. Ends when there is a /run/stop.
 *
 * Said on the console: keys here | keys gone | keys N, when no key follows the Nth at once | keys FAILED: ... | keys final N
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
  LETTERS = 26,
  EVENT_DEVICES = 32,
  LOOK_MILLIS = 200, /* for a keyboard, and for /run/stop */
  NEVER_MILLIS = 3600 * 1000,
};

/* As in xenlab/usb_ends.py. */
static const uint16_t ALPHABET[LETTERS] = {
    KEY_A, KEY_B, KEY_C, KEY_D, KEY_E, KEY_F, KEY_G, KEY_H, KEY_I, KEY_J, KEY_K, KEY_L, KEY_M,
    KEY_N, KEY_O, KEY_P, KEY_Q, KEY_R, KEY_S, KEY_T, KEY_U, KEY_V, KEY_W, KEY_X, KEY_Y, KEY_Z,
};

static int stopping(void) { return access("/run/stop", F_OK) == 0; }

/* -1: there is none. */
static int open_keyboard(void) {
  for (int i = 0; i < EVENT_DEVICES; i++) {
    char path[32];
    snprintf(path, sizeof path, "/dev/input/event%d", i);
    int device = open(path, O_RDONLY | O_NONBLOCK);
    if (device < 0) continue;
    uint8_t keys[KEY_MAX / 8 + 1] = {0};
    if (ioctl(device, EVIOCGBIT(EV_KEY, sizeof keys), keys) >= 0 && keys[KEY_A / 8] >> KEY_A % 8 & 1) {
      /* What the guest's kernel repeats while a key is down, on a slow machine for seconds, would fill what it keeps for us. */
      unsigned repeat[2] = {NEVER_MILLIS, NEVER_MILLIS};
      ioctl(device, EVIOCSREP, repeat);
      return device;
    }
    close(device);
  }
  return -1;
}

/* Returns the number of keys so far; less than 0 when one was not the next. */
static long pressed(uint16_t code, long keys) {
  if (code != ALPHABET[keys % LETTERS]) {
    printf("keys FAILED: expected letter %ld of the alphabet as key %ld, code %d, found code %d\n", keys % LETTERS, keys + 1,
           ALPHABET[keys % LETTERS], code);
    return -1;
  }
  return keys + 1;
}

int main(int count, char **arguments) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  int keyboard = -1;
  long keys = count > 1 ? atol(arguments[1]) : 0, said = keys;
  while (!stopping()) {
    if (keyboard < 0) {
      keyboard = open_keyboard();
      if (keyboard < 0) {
        usleep(LOOK_MILLIS * 1000);
        continue;
      }
      printf("keys here\n");
    }
    struct pollfd poll_keyboard = {.fd = keyboard, .events = POLLIN};
    /* Says it only where no key waits: a console is slower than a typist, and the kernel keeps few keys. */
    if (poll(&poll_keyboard, 1, keys == said ? LOOK_MILLIS : 0) <= 0) {
      if (keys != said) printf("keys %ld\n", said = keys);
      continue;
    }
    struct input_event event;
    if (read(keyboard, &event, sizeof event) == sizeof event) {
      if (event.type == EV_SYN && event.code == SYN_DROPPED) {
        printf("keys FAILED: the kernel has dropped some\n");
        return 1;
      }
      /* 1: pressed; 0: released; 2: repeated by the kernel while it is down */
      if (event.type == EV_KEY && event.value == 1 && (keys = pressed(event.code, keys)) < 0) return 1;
    } else if (errno != EAGAIN && errno != EINTR) {
      close(keyboard);
      keyboard = -1;
      printf("keys gone\n");
    }
  }
  printf("keys final %ld\n", keys);
  return 0;
}
