/*
 * Asks a USB device of this machine by usbfs, as UsbLoad asks ours: what each line of the input says, answered by a line of JSON.
 *
 *   usbload NODE                                as /dev/bus/usb/001/002
 *
 *   control     ENDPOINT BYTES DEPTH REQUESTS   the device's descriptor, BYTES of it
 *   bulk        ENDPOINT BYTES DEPTH REQUESTS
 *
 * In C, so that what is measured is the kernel's way and not a JVM's.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

enum { SETUP_BYTES = 8, MAX_DEPTH = 64, PATIENCE_MILLIS = 10000 };

static int device;

static long long now_nanos(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void fatal(const char *what)
{
    fprintf(stderr, "usbload: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct usbdevfs_urb *reap(void)
{
    struct usbdevfs_urb *urb;
    while (ioctl(device, USBDEVFS_REAPURBNDELAY, &urb)) {
        struct pollfd ready = {.fd = device, .events = POLLOUT};
        if (errno != EAGAIN)
            fatal("reaping");
        if (poll(&ready, 1, PATIENCE_MILLIS) == 0) {
            errno = ETIMEDOUT;
            fatal("waiting for a request");
        }
    }
    return urb;
}

static void print_micros(const char *name, const long long *nanos, int count, long long from)
{
    printf(", \"%s\": [", name);
    for (int i = 0; i < count; i++)
        printf(i ? ",%lld" : "%lld", (nanos[i] - from) / 1000);
    printf("]");
}

static void run(int type, int endpoint, int bytes, int depth, int requests)
{
    struct usbdevfs_urb urbs[MAX_DEPTH];
    long long submitted[MAX_DEPTH], moved = 0, began = now_nanos();
    long long *took = malloc(requests * sizeof *took), *ends = malloc(requests * sizeof *ends);
    int errors = 0, left = requests, ended = 0, control = type == USBDEVFS_URB_TYPE_CONTROL;

    memset(urbs, 0, sizeof urbs);
    for (int i = 0; i < depth && left > 0; i++, left--) {
        unsigned char setup[SETUP_BYTES] = {0x80, 6, 0, 1, 0, 0, bytes & 0xff, bytes >> 8};
        urbs[i].type = type;
        urbs[i].endpoint = control ? 0 : endpoint;
        urbs[i].buffer_length = bytes + (control ? SETUP_BYTES : 0);
        urbs[i].buffer = calloc(1, urbs[i].buffer_length);
        if (control)
            memcpy(urbs[i].buffer, setup, SETUP_BYTES);
        submitted[i] = now_nanos();
        if (ioctl(device, USBDEVFS_SUBMITURB, &urbs[i]))
            fatal("submitting");
    }
    while (ended < requests) {
        struct usbdevfs_urb *urb = reap();
        int place = urb - urbs;
        ends[ended] = now_nanos();
        took[ended] = ends[ended] - submitted[place];
        ended++;
        moved += urb->actual_length;
        errors += urb->status != 0;
        if (left > 0) {
            left--;
            submitted[place] = now_nanos();
            if (ioctl(device, USBDEVFS_SUBMITURB, urb))
                fatal("submitting");
        }
    }
    printf("{\"seconds\": %f, \"bytes\": %lld, \"errors\": %d", (now_nanos() - began) / 1e9, moved, errors);
    print_micros("micros", took, requests, 0);
    print_micros("ends", ends, requests, ends[0]);
    printf("}\n");
    fflush(stdout);
    for (int i = 0; i < depth; i++)
        free(urbs[i].buffer);
    free(took);
    free(ends);
}

int main(int count, char **arguments)
{
    struct usbdevfs_disconnect_claim claim = {.flags = USBDEVFS_DISCONNECT_CLAIM_EXCEPT_DRIVER, .driver = "usbfs"};
    char line[256], kind[16];
    int endpoint, bytes, depth, requests;

    if (count != 2) {
        fprintf(stderr, "usage: usbload NODE\n");
        return 1;
    }
    device = open(arguments[1], O_RDWR);
    if (device < 0)
        fatal(arguments[1]);
    if (ioctl(device, USBDEVFS_DISCONNECT_CLAIM, &claim))
        fatal("claiming interface 0");
    printf("{\"devices\": 1}\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "%15s %i %i %i %i", kind, &endpoint, &bytes, &depth, &requests) != 5 || depth > MAX_DEPTH) {
            fprintf(stderr, "usbload: expected KIND ENDPOINT BYTES DEPTH REQUESTS, found %s", line);
            return 1;
        }
        run(strcmp(kind, "control") ? USBDEVFS_URB_TYPE_BULK : USBDEVFS_URB_TYPE_CONTROL, endpoint, bytes, depth, requests);
    }
    return 0;
}
