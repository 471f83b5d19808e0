/*
 * Sets a process's wall clock off, while it runs too. Loaded by LD_PRELOAD; tests only. The monotonic
 * clock and the times of files are left alone.
 *
 *   environment CLOCK_SHIFT_FILE   a file that says by how many seconds, as "-1800"; it is looked at
 *                                  again every second, without it the clock is right
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int (*real_clock_gettime)(clockid_t, struct timespec *);
static _Atomic long shift_seconds;
static _Atomic long looked_second = -1;

static void read_shift(void)
{
    const char *file = getenv("CLOCK_SHIFT_FILE");
    char text[32] = "";
    int fd = file ? open(file, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        if (read(fd, text, sizeof text - 1) < 0)
            text[0] = 0;
        close(fd);
    }
    atomic_store(&shift_seconds, strtol(text, NULL, 10));
}

static long shift(void)
{
    struct timespec now;
    long looked = atomic_load(&looked_second);
    real_clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    /* One thread looks; the others go on with what was there. */
    if (now.tv_sec != looked && atomic_compare_exchange_strong(&looked_second, &looked, now.tv_sec))
        read_shift();
    return atomic_load(&shift_seconds);
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    int result;
    if (!real_clock_gettime)
        real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    result = real_clock_gettime(clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        time->tv_sec += shift();
    return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}
