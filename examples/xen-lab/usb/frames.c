/*
 * frames DEVICE: plays numbered frames, by ALSA's own interface to the kernel: 48 kHz, 16 bits, two channels, no library. A
 * frame holds its number, 12 bits in each channel, with 3 bits below them that a mixer's rounding may change. xenlab/usb_ends.py
 * looks for them in what the device has heard. The first one is FIRST, so that no frame is silence.
 *
 * Waits for the device, also after it has gone. Ends when there is a /run/stop.
 *
 * Said on the console: frames here | frames gone | frames N played, U underruns (every REPORT_SECONDS) | frames FAILED: ... |
 * frames final N played, U underruns
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sound/asound.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum {
  RATE = 48000,
  CHANNELS = 2,
  PERIOD = 4800, /* frames: 100 ms */
  PERIODS = 4,
  NUMBER_BITS = 12, /* in each channel; these two as in xenlab/usb_ends.py */
  SPARE_BITS = 3,
  FIRST = 1 << NUMBER_BITS,
  LOOK_MILLIS = 200,
  REPORT_SECONDS = 10,
};

static int stopping(void) { return access("/run/stop", F_OK) == 0; }

static time_t seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

static void set_mask(struct snd_pcm_hw_params *params, int name, unsigned bit) {
  struct snd_mask *mask = &params->masks[name - SNDRV_PCM_HW_PARAM_FIRST_MASK];
  memset(mask, 0, sizeof *mask);
  mask->bits[bit / 32] = 1u << bit % 32;
}

static void set_interval(struct snd_pcm_hw_params *params, int name, unsigned value) {
  params->intervals[name - SNDRV_PCM_HW_PARAM_FIRST_INTERVAL] = (struct snd_interval){.min = value, .max = value, .integer = 1};
}

static int configure(int device) {
  struct snd_pcm_hw_params params = {.rmask = ~0u, .info = ~0u};
  memset(params.masks, 0xff, sizeof params.masks);
  for (unsigned i = 0; i < sizeof params.intervals / sizeof *params.intervals; i++) params.intervals[i].max = ~0u;
  set_mask(&params, SNDRV_PCM_HW_PARAM_ACCESS, SNDRV_PCM_ACCESS_RW_INTERLEAVED);
  set_mask(&params, SNDRV_PCM_HW_PARAM_FORMAT, SNDRV_PCM_FORMAT_S16_LE);
  set_interval(&params, SNDRV_PCM_HW_PARAM_CHANNELS, CHANNELS);
  set_interval(&params, SNDRV_PCM_HW_PARAM_RATE, RATE);
  set_interval(&params, SNDRV_PCM_HW_PARAM_PERIOD_SIZE, PERIOD);
  set_interval(&params, SNDRV_PCM_HW_PARAM_PERIODS, PERIODS);
  /* As it is by default, but that what has not been written yet is silent: else a device that is hungry, and one that drains, gets
   * what was in the ring a round before. */
  struct snd_pcm_sw_params software = {
    .period_step = 1,
    .avail_min = PERIOD,
    .start_threshold = 1,
    .stop_threshold = PERIOD * PERIODS,
    .silence_size = ~0ul,
  };
  return ioctl(device, SNDRV_PCM_IOCTL_HW_PARAMS, &params) || ioctl(device, SNDRV_PCM_IOCTL_SW_PARAMS, &software) ||
         ioctl(device, SNDRV_PCM_IOCTL_PREPARE);
}

/* Below 0: there is none, or not yet. */
static int open_device(const char *path) {
  int device = open(path, O_WRONLY);
  if (device < 0) return device;
  if (configure(device)) {
    printf("frames FAILED: %s: 48 kHz, 16 bits, two channels: %s\n", path, strerror(errno));
    _exit(1);
  }
  printf("frames here\n");
  return device;
}

static void fill(int16_t *frames, uint64_t number) {
  for (int i = 0; i < PERIOD; i++, number++) {
    frames[CHANNELS * i] = (int16_t)((number & (FIRST - 1)) << SPARE_BITS);
    frames[CHANNELS * i + 1] = (int16_t)((number >> NUMBER_BITS & (FIRST - 1)) << SPARE_BITS);
  }
}

int main(int count, char **arguments) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (count != 2) {
    printf("frames FAILED: expected DEVICE\n");
    return 2;
  }
  static int16_t frames[PERIOD * CHANNELS];
  uint64_t number = FIRST;
  long underruns = 0;
  int device = -1;
  time_t reported = seconds();
  while (!stopping()) {
    if (device < 0 && (device = open_device(arguments[1])) < 0) {
      usleep(LOOK_MILLIS * 1000);
      continue;
    }
    fill(frames, number);
    struct snd_xferi period = {.buf = frames, .frames = PERIOD};
    if (ioctl(device, SNDRV_PCM_IOCTL_WRITEI_FRAMES, &period) == 0) {
      number += (uint64_t)period.result;
    } else if (errno == EPIPE || errno == ESTRPIPE) { /* the device was hungry; or the guest was suspended */
      underruns += errno == EPIPE;
      ioctl(device, SNDRV_PCM_IOCTL_PREPARE);
    } else if (errno != EINTR) {
      printf("frames gone\n");
      close(device);
      device = -1;
    }
    if (seconds() - reported >= REPORT_SECONDS) {
      reported = seconds();
      printf("frames %lu played, %ld underruns\n", number - FIRST, underruns);
    }
  }
  if (device >= 0) ioctl(device, SNDRV_PCM_IOCTL_DRAIN);
  printf("frames final %lu played, %ld underruns\n", number - FIRST, underruns);
  return 0;
}
