/*
 * Asks a USB device of this machine by usbfs, as UsbLoad asks ours: what each line of the input says, answered by a line of JSON.
 *
 *   usbload NODE                                as /dev/bus/usb/001/002
 *   usbload PORT                                that of a relay on this machine
 *   usbload NODE PORT                           is that relay, for one client: a server with as little to do as there is
 *
 *   control     ENDPOINT BYTES DEPTH REQUESTS   the device's descriptor, BYTES of it
 *   bulk        ENDPOINT BYTES DEPTH REQUESTS
 *
 * In C, so that what is measured is the kernel's way and not a JVM's.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { SETUP_BYTES = 8, MAX_DEPTH = 64, PATIENCE_MILLIS = 10000, MAX_BYTES = 65536 + SETUP_BYTES };

/* A request: the bytes of an OUT transfer or a setup packet follow. Its answer: what came in follows. */
struct frame {
    int place, type, endpoint, length, status, bytes;
};

static int device = -1, relay = -1;
static struct usbdevfs_urb urbs[MAX_DEPTH];

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

static int is_in(const struct usbdevfs_urb *urb)
{
    return urb->type == USBDEVFS_URB_TYPE_CONTROL || (urb->endpoint & 0x80);
}

static int setup_bytes(const struct usbdevfs_urb *urb)
{
    return urb->type == USBDEVFS_URB_TYPE_CONTROL ? SETUP_BYTES : 0;
}

static void read_all(void *to, int bytes)
{
    if (bytes > 0 && recv(relay, to, bytes, MSG_WAITALL) != bytes)
        exit(0); /* the other one has ended */
}

static void write_frame(struct frame *frame, char *data)
{
    struct iovec parts[] = {{frame, sizeof *frame}, {data, frame->bytes}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    if (sendmsg(relay, &message, 0) != (ssize_t)sizeof *frame + frame->bytes)
        fatal("writing");
}

static void submit(struct usbdevfs_urb *urb)
{
    if (relay < 0) {
        if (ioctl(device, USBDEVFS_SUBMITURB, urb))
            fatal("submitting");
        return;
    }
    struct frame frame = {.place = urb - urbs, .type = urb->type, .endpoint = urb->endpoint, .length = urb->buffer_length,
                          .bytes = is_in(urb) ? setup_bytes(urb) : urb->buffer_length};
    write_frame(&frame, urb->buffer);
}

static struct usbdevfs_urb *reap_relayed(void)
{
    struct frame frame;
    read_all(&frame, sizeof frame);
    struct usbdevfs_urb *urb = &urbs[frame.place];
    urb->status = frame.status;
    urb->actual_length = frame.length;
    read_all((char *)urb->buffer + setup_bytes(urb), frame.bytes);
    return urb;
}

static struct usbdevfs_urb *reap_here(void)
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

static struct usbdevfs_urb *reap(void)
{
    return relay >= 0 ? reap_relayed() : reap_here();
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
        submit(&urbs[i]);
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
            submit(urb);
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

static void take_request(void)
{
    static char buffers[MAX_DEPTH][MAX_BYTES];
    struct frame frame;
    read_all(&frame, sizeof frame);
    struct usbdevfs_urb *urb = &urbs[frame.place];
    *urb = (struct usbdevfs_urb){.type = frame.type, .endpoint = frame.endpoint, .buffer = buffers[frame.place], .buffer_length = frame.length};
    read_all(urb->buffer, frame.bytes);
    if (ioctl(device, USBDEVFS_SUBMITURB, urb))
        fatal("submitting");
}

static void answer(const struct usbdevfs_urb *urb)
{
    struct frame frame = {.place = urb - urbs, .status = urb->status, .length = urb->actual_length, .bytes = is_in(urb) ? urb->actual_length : 0};
    write_frame(&frame, (char *)urb->buffer + setup_bytes(urb));
}

/* Both ends are waited for by one thread, which is all that there is. */
static void serve(int port)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 1) || (relay = accept(listener, NULL, NULL)) < 0)
        fatal("listening");
    setsockopt(relay, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    for (;;) {
        struct pollfd ready[] = {{.fd = relay, .events = POLLIN}, {.fd = device, .events = POLLOUT}};
        if (poll(ready, 2, -1) < 0)
            fatal("waiting");
        if (ready[1].revents)
            answer(reap_here());
        if (ready[0].revents)
            take_request();
    }
}

static void use_relay(int port)
{
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int yes = 1;
    relay = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(relay, (struct sockaddr *)&there, sizeof there))
        fatal("connecting");
    setsockopt(relay, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

static void claim_device(const char *node)
{
    struct usbdevfs_disconnect_claim claim = {.flags = USBDEVFS_DISCONNECT_CLAIM_EXCEPT_DRIVER, .driver = "usbfs"};
    device = open(node, O_RDWR);
    if (device < 0)
        fatal(node);
    if (ioctl(device, USBDEVFS_DISCONNECT_CLAIM, &claim))
        fatal("claiming interface 0");
}

int main(int count, char **arguments)
{
    char line[256], kind[16];
    int endpoint, bytes, depth, requests;

    if (count != 2 && count != 3) {
        fprintf(stderr, "usage: usbload NODE | PORT | NODE PORT\n");
        return 1;
    }
    if (arguments[1][0] == '/')
        claim_device(arguments[1]);
    else
        use_relay(atoi(arguments[1]));
    if (count == 3)
        serve(atoi(arguments[2]));
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
