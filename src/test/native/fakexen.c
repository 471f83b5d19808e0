/*
 * Stands in for the hypervisor calls that xenstored 4.17 makes, so that the real xenstored can be asked
 * what it does on a machine without Xen. Loaded by LD_PRELOAD; tests only. A netchanneld that finds it as
 * libxengnttab.so.1 and libxenevtchn.so.1 too starts, follows domains in that xenstored and offers them
 * disks; there are no guests to connect, so it maps and copies nothing.
 *
 * All state is files in the directory FAKEXEN_DIR:
 *   dom-<domid>          the domain exists; its first letter tells: 's' has shut down, 'd' is dying
 *   grant-<domid>-1      the page of the domain's ring to xenstored (GNTTAB_RESERVED_XENSTORE), 4096 bytes
 *   events               a FIFO: whoever writes a port number (32 bit, native order) raises that event;
 *                        port VIRQ_PORT makes xenstored look which domains are still there
 *   xsd_port             what /proc/xen/xsd_port would say
 *   capabilities         likewise /proc/xen/capabilities
 * xenstored's own notifications go nowhere: a test looks at the ring.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xenctrl.h>
#include <xenevtchn.h>
#include <xengnttab.h>

enum { PAGE_BYTES = 4096, VIRQ_PORT = 1, DOM0_PORT = 2, FIRST_DOMAIN_PORT = 100 };

static char handle; /* its address stands for every handle */
static int event_fd = -1;

static int real_open(const char *path, int flags, mode_t mode)
{
    static int (*next)(const char *, int, ...);
    if (!next)
        next = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    return next(path, flags, mode);
}

static int open_state(const char *name, int flags)
{
    const char *directory = getenv("FAKEXEN_DIR");
    char path[512];
    if (!directory)
        return -1;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return real_open(path, flags, 0600);
}

static int open_xsd_port(void)
{
    char port[8];
    int fd = open_state("xsd_port", O_RDWR | O_CREAT | O_TRUNC);
    int length = snprintf(port, sizeof port, "%d", DOM0_PORT);
    if (fd < 0 || write(fd, port, length) != length || lseek(fd, 0, SEEK_SET) != 0)
        return -1;
    return fd;
}

static int open_capabilities(void)
{
    static const char control_domain[] = "control_d\n";
    int length = sizeof control_domain - 1;
    int fd = open_state("capabilities", O_RDWR | O_CREAT | O_TRUNC);
    if (fd < 0 || write(fd, control_domain, length) != length || lseek(fd, 0, SEEK_SET) != 0)
        return -1;
    return fd;
}

static int open_dom0_ring(void)
{
    int fd = open_state("grant-0-1", O_RDWR | O_CREAT);
    return fd < 0 || ftruncate(fd, PAGE_BYTES) ? -1 : fd;
}

static int fake_open(const char *path, int flags, mode_t mode)
{
    if (!strcmp(path, "/proc/xen/xsd_port") || !strcmp(path, "/dev/xen/xsd_port"))
        return open_xsd_port();
    if (!strcmp(path, "/proc/xen/xsd_kva") || !strcmp(path, "/dev/xen/xsd_kva"))
        return open_dom0_ring();
    if (!strcmp(path, "/proc/xen/capabilities"))
        return open_capabilities();
    return real_open(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = va_arg(arguments, int);
    va_end(arguments);
    return fake_open(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = va_arg(arguments, int);
    va_end(arguments);
    return fake_open(path, flags, mode);
}

xc_interface *xc_interface_open(xentoollog_logger *logger, xentoollog_logger *dombuild, unsigned flags)
{
    (void)logger, (void)dombuild, (void)flags;
    return (xc_interface *)&handle;
}

int xc_interface_close(xc_interface *xch)
{
    (void)xch;
    return 0;
}

int xc_domain_getinfo(xc_interface *xch, uint32_t first_domid, unsigned int max_doms, xc_dominfo_t *info)
{
    char name[32], state = 0;
    (void)xch, (void)max_doms;
    memset(info, 0, sizeof *info);
    if (first_domid != 0) {
        snprintf(name, sizeof name, "dom-%u", first_domid);
        int fd = open_state(name, O_RDONLY);
        if (fd < 0)
            return 0;
        if (read(fd, &state, 1) < 0)
            state = 0;
        close(fd);
    }
    info->domid = first_domid;
    info->running = 1;
    info->shutdown = state == 's';
    info->dying = state == 'd';
    return 1;
}

xengnttab_handle *xengnttab_open(xentoollog_logger *logger, unsigned flags)
{
    (void)logger, (void)flags;
    return (xengnttab_handle *)&handle;
}

int xengnttab_close(xengnttab_handle *xgt)
{
    (void)xgt;
    return 0;
}

int xengnttab_set_max_grants(xengnttab_handle *xgt, uint32_t count)
{
    (void)xgt, (void)count;
    return 0;
}

void *xengnttab_map_grant_ref(xengnttab_handle *xgt, uint32_t domid, uint32_t ref, int prot)
{
    char name[32];
    (void)xgt;
    snprintf(name, sizeof name, "grant-%u-%u", domid, ref);
    int fd = open_state(name, O_RDWR);
    if (fd < 0)
        return NULL;
    void *page = mmap(NULL, PAGE_BYTES, prot, MAP_SHARED, fd, 0);
    close(fd);
    return page == MAP_FAILED ? NULL : page;
}

void *xengnttab_map_domain_grant_refs(xengnttab_handle *xgt, uint32_t count, uint32_t domid, uint32_t *refs,
                                      int prot)
{
    (void)xgt, (void)count, (void)domid, (void)refs, (void)prot;
    errno = ENODEV;
    return NULL;
}

int xengnttab_grant_copy(xengnttab_handle *xgt, uint32_t count, xengnttab_grant_copy_segment_t *segments)
{
    (void)xgt, (void)count, (void)segments;
    errno = ENODEV;
    return -1;
}

int xengnttab_unmap(xengnttab_handle *xgt, void *start, uint32_t count)
{
    (void)xgt;
    return munmap(start, (size_t)count * PAGE_BYTES);
}

xenevtchn_handle *xenevtchn_open(xentoollog_logger *logger, unsigned int flags)
{
    (void)logger, (void)flags;
    event_fd = open_state("events", O_RDWR); /* both ends: never at end of file */
    return event_fd < 0 ? NULL : (xenevtchn_handle *)&handle;
}

int xenevtchn_close(xenevtchn_handle *xce)
{
    (void)xce;
    return 0;
}

int xenevtchn_fd(xenevtchn_handle *xce)
{
    (void)xce;
    return event_fd;
}

int xenevtchn_notify(xenevtchn_handle *xce, evtchn_port_t port)
{
    (void)xce, (void)port;
    return 0;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *xce, uint32_t domid,
                                                     evtchn_port_t remote_port)
{
    (void)xce, (void)remote_port;
    return FIRST_DOMAIN_PORT + domid;
}

xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle *xce, unsigned int virq)
{
    (void)xce, (void)virq;
    return VIRQ_PORT;
}

int xenevtchn_unbind(xenevtchn_handle *xce, evtchn_port_t port)
{
    (void)xce, (void)port;
    return 0;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *xce)
{
    uint32_t port;
    (void)xce;
    return read(event_fd, &port, sizeof port) == sizeof port ? (xenevtchn_port_or_error_t)port : -1;
}

int xenevtchn_unmask(xenevtchn_handle *xce, evtchn_port_t port)
{
    (void)xce, (void)port;
    return 0;
}
