/*
 * Stands in for libxenforeignmemory, so that what Java asks of it can be seen on a machine without Xen.
 *
 *   domain 7   grant table of version 1 with two frames; one page of memory, frame PAGE_GFN
 *   domain 8   grant table of version 2
 *
 * Everything else is refused as Xen refuses it. The counters at the end are for the test.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <xenctrl.h>
#include <xenforeignmemory.h>
#include <xen/grant_table.h>
#include <xen/memory.h>

enum { PAGE_BYTES = 4096, V1_DOMAIN = 7, V2_DOMAIN = 8, FRAMES = 2, PAGE_GFN = 0x12345 };

#define ENTRIES (PAGE_BYTES / sizeof(grant_entry_v1_t))

static char handle, resource; /* their addresses stand for all */
static int opened, mapped_pages, mapped_frames, asked_frames, asked_writable, mode;
static grant_entry_v1_t table[FRAMES][ENTRIES] __attribute__((aligned(PAGE_BYTES)));
static uint8_t page[PAGE_BYTES] __attribute__((aligned(PAGE_BYTES)));

static void fill(void)
{
    grant_entry_v1_t *last = &table[1][ENTRIES - 1];
    table[0][8] = (grant_entry_v1_t){ .flags = GTF_permit_access | GTF_writing, .domid = 0, .frame = PAGE_GFN };
    table[0][9] = (grant_entry_v1_t){ .flags = GTF_accept_transfer, .domid = 0, .frame = PAGE_GFN };
    table[0][10] = (grant_entry_v1_t){ .flags = GTF_permit_access | GTF_readonly, .domid = 3, .frame = 1 };
    *last = (grant_entry_v1_t){ .flags = GTF_permit_access, .domid = DOMID_FIRST_RESERVED - 1, .frame = ~0u };
    for (int i = 0; i < PAGE_BYTES; i++)
        page[i] = (uint8_t)(i * 7);
}

xenforeignmemory_handle *xenforeignmemory_open(struct xentoollog_logger *logger, unsigned flags)
{
    (void)logger, (void)flags;
    if (mode == 1) {
        errno = ENOENT;
        return NULL;
    }
    fill();
    opened++;
    return (xenforeignmemory_handle *)&handle;
}

int xenforeignmemory_close(xenforeignmemory_handle *fmem)
{
    (void)fmem;
    opened--;
    return 0;
}

void *xenforeignmemory_map(xenforeignmemory_handle *fmem, uint32_t dom, int prot, size_t pages,
                           const xen_pfn_t gfns[], int errors[])
{
    (void)fmem;
    asked_writable |= prot & PROT_WRITE;
    if (dom != V1_DOMAIN || pages != 1 || gfns[0] != PAGE_GFN || errors) {
        errno = dom == V1_DOMAIN ? EINVAL : ESRCH;
        return NULL;
    }
    mapped_pages++;
    return page;
}

int xenforeignmemory_unmap(xenforeignmemory_handle *fmem, void *addr, size_t pages)
{
    (void)fmem;
    if (addr != page || pages != 1) {
        errno = EINVAL;
        return -1;
    }
    mapped_pages--;
    return 0;
}

xenforeignmemory_resource_handle *xenforeignmemory_map_resource(xenforeignmemory_handle *fmem, domid_t domid,
                                                                unsigned int type, unsigned int id,
                                                                unsigned long frame, unsigned long nr_frames,
                                                                void **paddr, int prot, int flags)
{
    (void)fmem;
    int known = domid == V1_DOMAIN || domid == V2_DOMAIN;
    int there = id == XENMEM_resource_grant_table_id_shared ? frame < FRAMES : domid == V2_DOMAIN;
    asked_writable |= prot & PROT_WRITE;
    asked_frames += nr_frames;
    if (!known || !there || type != XENMEM_resource_grant_table || *paddr || flags) {
        errno = known ? EINVAL : ESRCH;
        return NULL;
    }
    *paddr = table[frame];
    mapped_frames++;
    return (xenforeignmemory_resource_handle *)&resource;
}

int xenforeignmemory_unmap_resource(xenforeignmemory_handle *fmem, xenforeignmemory_resource_handle *fres)
{
    (void)fmem, (void)fres;
    mapped_frames--;
    return 0;
}

/* ---- for the test */

void fake_refuse_to_open(int yes) { mode = yes; }
int fake_opened(void) { return opened; }
int fake_mapped_pages(void) { return mapped_pages; }
int fake_mapped_frames(void) { return mapped_frames; }
int fake_asked_frames(void) { return asked_frames; }
int fake_asked_writable(void) { return asked_writable; }
