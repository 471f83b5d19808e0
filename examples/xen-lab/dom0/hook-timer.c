/*
 * Stands in the place of a libvirt hook, runs the hook it replaced (/opt/lab/hook) with the same arguments and stdin,
 * and appends when it began and ended to /run/lab-hooks.jsonl, in microseconds since 1970. While /run/lab-hooks-off
 * exists it does nothing: libvirt as if no hook were there.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long micros(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

int main(int argc, char **argv) {
  if (access("/run/lab-hooks-off", F_OK) == 0) return 0;
  long long began = micros();
  pid_t child = vfork();
  if (child == 0) {
    execv("/opt/lab/hook", argv);
    _exit(127);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) < 0) return 1;
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
  long long ended = micros();
  FILE *log = fopen("/run/lab-hooks.jsonl", "a");
  if (log) {
    fprintf(log, "{\"t\":%lld,\"end\":%lld,\"domain\":\"%s\",\"operation\":\"%s\",\"sub\":\"%s\",\"code\":%d}\n", began, ended,
            argc > 1 ? argv[1] : "", argc > 2 ? argv[2] : "", argc > 3 ? argv[3] : "", code);
    fclose(log);
  }
  return code;
}
