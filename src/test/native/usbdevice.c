/*
 * Plays one USB device for a child process, by answering its usbfs ioctls under umockdev; tests only.
 *
 *   umockdev-wrapper usbdevice DESCRIPTION BUSY PROGRAM ARGUMENT...
 *
 * DESCRIPTION is the device's file for umockdev, its node is NODE below. An interface with the number BUSY is
 * another program's; -1 for none. The exit status is the program's.
 *
 * Endpoints: 0x81 interrupt, a report of 8 bytes with a counter in the last; 0x82 bulk, what came to 0x02;
 * 0x83 bulk, never has anything; 0x84 isochronous, each packet full of its number but the last, which fails.
 * Requests of its vendor: see VENDOR_ below.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <glib-object.h>
#include <linux/usbdevice_fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <umockdev.h>

#define NODE "/dev/bus/usb/001/002"
#define SYSFS "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-1"

enum {
    VENDOR_LOG = 1,    /* IN: what was asked of usbfs so far, as text */
    VENDOR_UNPLUG = 2, /* OUT: the device is gone; with wValue it is plugged again when that is known */
    VENDOR_MEMORY = 3, /* OUT: the next wValue URBs find no memory */
    VENDOR_ANSWER = 4, /* OUT: what waits at 0x83 is done, and found so by who discards it */
    VENDOR_REPORT = 5, /* OUT: from now on 0x81 has wValue reports more, and none by itself */
};

enum { MAX_URBS = 64, SETUP_BYTES = 8, LOG_BYTES = 4096, DEVICE_BYTES = 18 };

struct pending {
    UMockdevIoctlData *urb, *buffer;
    int done;
    unsigned long number; /* in the order of submission */
};

static struct pending pending[MAX_URBS];
static UMockdevTestbed *testbed;
static gchar *description;
static GPid child;
static int busy_interface = -1, reports = -1, without_memory, gone, plug_again, counter, exit_status = 1;
static unsigned long submitted;
static char log_text[LOG_BYTES];
static unsigned char stored[65536];
static int stored_bytes;
static unsigned char descriptors[1024];
static int descriptors_bytes;

static void note(const char *what, int value)
{
    size_t used = strlen(log_text);
    snprintf(log_text + used, sizeof log_text - used, "%s %d\n", what, value);
}

static void fatal(const char *what, GError *error)
{
    fprintf(stderr, "usbdevice: %s: %s\n", what, error ? error->message : strerror(errno));
    exit(1);
}

static void put(UMockdevIoctlData *data, int offset, const void *bytes, int length)
{
    if (length > 0)
        umockdev_ioctl_data_update(data, offset, (guint8 *)bytes, length);
}

static void finish(struct pending *p, int status, int actual)
{
    struct usbdevfs_urb *urb = (void *)p->urb->data;
    int bytes = sizeof *urb;
    if (urb->type == USBDEVFS_URB_TYPE_ISO)
        bytes += urb->number_of_packets * (int)sizeof(struct usbdevfs_iso_packet_desc);
    urb->status = status;
    urb->actual_length = actual;
    put(p->urb, 0, urb, bytes);
    p->done = 1;
}

/* What sysfs shows of the device it says itself, too. */
static void read_descriptors(void)
{
    static const char name[] = "H: descriptors=";
    const char *hex = strstr(description, name);
    if (!hex)
        fatal("no descriptors in the description", NULL);
    hex += strlen(name);
    while (descriptors_bytes < (int)sizeof descriptors && sscanf(hex, "%2hhx", &descriptors[descriptors_bytes]) == 1) {
        descriptors_bytes++;
        hex += 2;
        if (*hex == '\n')
            break;
    }
    if (descriptors_bytes <= DEVICE_BYTES)
        fatal("expected those of a device and its configuration", NULL);
}

static gboolean plug(gpointer unused)
{
    GError *error = NULL;
    (void)unused;
    if (!umockdev_testbed_add_from_string(testbed, description, &error))
        fatal("the description", error);
    gone = 0;
    return G_SOURCE_REMOVE;
}

/* As far as there are any; -1 is without end. */
static void report(struct pending *p)
{
    if (reports == 0)
        return;
    if (reports > 0)
        reports--;
    unsigned char bytes[8] = {0, 0, 4, 0, 0, 0, 0, ++counter};
    put(p->buffer, 0, bytes, sizeof bytes);
    finish(p, 0, sizeof bytes);
}

/* What waits at an endpoint, that submitted first; NULL for nothing. */
static struct pending *waiting_at(unsigned char endpoint)
{
    struct pending *found = NULL;
    for (int i = 0; i < MAX_URBS; i++) {
        struct usbdevfs_urb *urb = pending[i].urb ? (void *)pending[i].urb->data : NULL;
        if (urb && urb->endpoint == endpoint && !pending[i].done && (!found || pending[i].number < found->number))
            found = &pending[i];
    }
    return found;
}

static void control(struct pending *p)
{
    unsigned char *setup = p->buffer->data;
    int value = setup[2] | setup[3] << 8, length = setup[6] | setup[7] << 8, bytes = 0;
    const void *answer = NULL;

    if (setup[0] == 0x80 && setup[1] == 6 && value == 0x0100) {
        answer = descriptors;
        bytes = DEVICE_BYTES;
    } else if (setup[0] == 0x80 && setup[1] == 6 && value == 0x0200) {
        answer = descriptors + DEVICE_BYTES;
        bytes = descriptors_bytes - DEVICE_BYTES;
    } else if (setup[0] == 0xc0 && setup[1] == VENDOR_LOG) {
        answer = log_text;
        bytes = strlen(log_text);
    } else if (setup[0] == 0x40 && setup[1] == VENDOR_UNPLUG) {
        finish(p, 0, 0);
        gone = 1;
        umockdev_testbed_remove_device(testbed, SYSFS "/1-1:1.0"); /* by itself: else its link is left */
        umockdev_testbed_remove_device(testbed, SYSFS);
        plug_again = value;
        for (int i = 0; i < MAX_URBS; i++)
            if (pending[i].urb && !pending[i].done)
                finish(&pending[i], -ENODEV, 0);
        return;
    } else if (setup[0] == 0x40 && setup[1] == VENDOR_MEMORY) {
        without_memory = value;
    } else if (setup[0] == 0x40 && setup[1] == VENDOR_ANSWER) {
        for (struct pending *w = waiting_at(0x83); w; w = waiting_at(0x83)) {
            put(w->buffer, 0, "real", 4);
            finish(w, 0, 4);
        }
    } else if (setup[0] == 0x40 && setup[1] == VENDOR_REPORT) {
        reports = (reports < 0 ? 0 : reports) + value;
        for (struct pending *w = waiting_at(0x81); w && reports > 0; w = waiting_at(0x81))
            report(w);
    } else {
        finish(p, -EPIPE, 0);
        return;
    }
    if (bytes > length)
        bytes = length;
    put(p->buffer, SETUP_BYTES, answer, bytes);
    finish(p, 0, bytes);
}

static void iso(struct pending *p)
{
    struct usbdevfs_urb *urb = (void *)p->urb->data;
    int offset = 0, all = 0;
    if (!(urb->flags & USBDEVFS_URB_ISO_ASAP)) {
        finish(p, -EINVAL, 0);
        return;
    }
    for (int i = 0; i < urb->number_of_packets; i++) {
        struct usbdevfs_iso_packet_desc *packet = &urb->iso_frame_desc[i];
        int length = packet->length;
        unsigned char bytes[length];
        memset(bytes, i + 1, length);
        put(p->buffer, offset, bytes, length);
        offset += length;
        packet->actual_length = length;
        packet->status = 0;
        if (i == urb->number_of_packets - 1) {
            packet->actual_length = 0;
            packet->status = -EXDEV;
        }
        all += packet->actual_length;
    }
    urb->start_frame = 77;
    urb->error_count = 1;
    finish(p, 0, all);
}

static void serve(struct pending *p)
{
    struct usbdevfs_urb *urb = (void *)p->urb->data;
    if (urb->type == USBDEVFS_URB_TYPE_CONTROL) {
        control(p);
    } else if (urb->type == USBDEVFS_URB_TYPE_ISO) {
        iso(p);
    } else if (urb->endpoint == 0x81) {
        report(p);
    } else if (urb->endpoint == 0x02) {
        stored_bytes = urb->buffer_length;
        memcpy(stored, p->buffer->data, stored_bytes);
        finish(p, 0, stored_bytes);
    } else if (urb->endpoint == 0x82) {
        int bytes = stored_bytes < urb->buffer_length ? stored_bytes : urb->buffer_length;
        put(p->buffer, 0, stored, bytes);
        int is_short = bytes < urb->buffer_length && (urb->flags & USBDEVFS_URB_SHORT_NOT_OK);
        finish(p, is_short ? -EREMOTEIO : 0, bytes);
    }
}

/* What is resolved is written back, so exactly the struct: its length is looked up in the child first. */
static int urb_bytes(UMockdevIoctlData *arg)
{
    struct usbdevfs_urb urb;
    struct iovec here = {&urb, sizeof urb}, there = {*(void **)arg->data, sizeof urb};
    if (process_vm_readv(child, &here, 1, &there, 1, 0) != sizeof urb)
        fatal("the child's URB", NULL);
    int packets = urb.type == USBDEVFS_URB_TYPE_ISO ? urb.number_of_packets : 0;
    return sizeof urb + packets * sizeof(struct usbdevfs_iso_packet_desc);
}

static int submit(UMockdevIoctlData *arg)
{
    GError *error = NULL;
    if (without_memory > 0) {
        without_memory--;
        return ENOMEM;
    }
    UMockdevIoctlData *data = umockdev_ioctl_data_resolve(arg, 0, urb_bytes(arg), &error);
    if (!data)
        fatal("a URB", error);
    struct usbdevfs_urb *urb = (void *)data->data;
    for (int i = 0; i < MAX_URBS; i++) {
        struct pending *p = &pending[i];
        if (p->urb)
            continue;
        p->urb = umockdev_ioctl_data_ref(data);
        p->done = 0;
        p->number = ++submitted;
        p->buffer = NULL;
        if (urb->buffer_length > 0) {
            p->buffer = umockdev_ioctl_data_resolve(
                data, G_STRUCT_OFFSET(struct usbdevfs_urb, buffer), urb->buffer_length, &error);
            if (!p->buffer)
                fatal("a URB's buffer", error);
        }
        serve(p);
        return 0;
    }
    return ENOMEM;
}

static int discard(UMockdevIoctlData *arg)
{
    gulong address = *(gulong *)arg->data;
    for (int i = 0; i < MAX_URBS; i++) {
        if (pending[i].urb && pending[i].urb->client_addr == address && !pending[i].done) {
            note("discard", 0);
            finish(&pending[i], -ENOENT, 0);
            return 0;
        }
    }
    note("discard", -EINVAL);
    return EINVAL;
}

static int reap(UMockdevIoctlData *arg)
{
    GError *error = NULL;
    UMockdevIoctlData *result = umockdev_ioctl_data_resolve(arg, 0, sizeof(gpointer), &error);
    if (!result)
        fatal("a place for what is reaped", error);
    for (int i = 0; i < MAX_URBS; i++) {
        if (pending[i].urb && pending[i].done) {
            umockdev_ioctl_data_set_ptr(result, 0, pending[i].urb);
            pending[i].urb = NULL;
            return 0;
        }
    }
    if (!gone)
        return EAGAIN;
    if (plug_again) {
        plug_again = 0;
        g_idle_add(plug, NULL);
    }
    return ENODEV;
}

static void *first(UMockdevIoctlData *arg, int bytes)
{
    GError *error = NULL;
    UMockdevIoctlData *data = umockdev_ioctl_data_resolve(arg, 0, bytes, &error);
    if (!data)
        fatal("an argument", error);
    return data->data;
}

static int answer(gulong request, UMockdevIoctlData *arg)
{
    switch (request) {
    case USBDEVFS_REAPURBNDELAY:
        return reap(arg);
    case USBDEVFS_SUBMITURB:
        return gone ? ENODEV : submit(arg);
    case USBDEVFS_DISCARDURB:
        return gone ? ENODEV : discard(arg);
    case USBDEVFS_DISCONNECT_CLAIM: {
        struct usbdevfs_disconnect_claim *claim = first(arg, sizeof *claim);
        if (claim->flags != USBDEVFS_DISCONNECT_CLAIM_EXCEPT_DRIVER || strcmp(claim->driver, "usbfs"))
            return EPERM;
        if ((int)claim->interface == busy_interface)
            return EBUSY;
        note("claim", claim->interface);
        return 0;
    }
    case USBDEVFS_RELEASEINTERFACE:
        note("release", *(int *)first(arg, sizeof(int)));
        return 0;
    case USBDEVFS_SETCONFIGURATION:
        note("configuration", *(int *)first(arg, sizeof(int)));
        return 0;
    case USBDEVFS_CLEAR_HALT:
        note("clear", *(int *)first(arg, sizeof(int)));
        return 0;
    case USBDEVFS_SETINTERFACE: {
        struct usbdevfs_setinterface *set = first(arg, sizeof *set);
        note("interface", set->interface * 100 + set->altsetting);
        return 0;
    }
    case USBDEVFS_IOCTL: {
        struct usbdevfs_ioctl *inner = first(arg, sizeof *inner);
        if (inner->ioctl_code != (int)USBDEVFS_CONNECT)
            return ENOTTY;
        printf("connect %d\n", inner->ifno); /* the log is not asked for any more */
        fflush(stdout);
        return 0;
    }
    case USBDEVFS_RESET:
        note("reset", 0);
        return 0;
    default:
        return ENOTTY;
    }
}

static gboolean on_ioctl(UMockdevIoctlBase *base, UMockdevIoctlClient *client, gpointer unused)
{
    (void)base;
    (void)unused;
    int error = answer(umockdev_ioctl_client_get_request(client), umockdev_ioctl_client_get_arg(client));
    umockdev_ioctl_client_complete(client, error ? -1 : 0, error);
    return TRUE;
}

/* Whoever ends this ends the program, too. */
static void in_child(gpointer unused)
{
    (void)unused;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
}

static void on_exit_of_child(GPid pid, gint status, gpointer loop)
{
    (void)pid;
    exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    g_main_loop_quit(loop);
}

int main(int count, char **arguments)
{
    GError *error = NULL;
    if (count < 4) {
        fprintf(stderr, "usage: usbdevice DESCRIPTION BUSY PROGRAM ARGUMENT...\n");
        return 1;
    }
    busy_interface = atoi(arguments[2]);
    testbed = umockdev_testbed_new();
    if (!g_file_get_contents(arguments[1], &description, NULL, &error))
        fatal(arguments[1], error);
    read_descriptors();
    UMockdevIoctlBase *base = umockdev_ioctl_base_new();
    g_signal_connect(base, "handle-ioctl", G_CALLBACK(on_ioctl), NULL);
    plug(NULL);
    if (!umockdev_testbed_attach_ioctl(testbed, NODE, base, &error))
        fatal(NODE, error);
    GMainLoop *loop = g_main_loop_new(NULL, FALSE);
    if (!g_spawn_async(NULL, arguments + 3, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH, in_child, NULL, &child,
                       &error))
        fatal(arguments[3], error);
    g_child_watch_add(child, on_exit_of_child, loop);
    g_main_loop_run(loop);
    return exit_status;
}
