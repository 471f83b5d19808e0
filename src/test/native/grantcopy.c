/*
 * Prints a batch of grant copies as the C compiler lays it out, for comparison with what the Java side
 * writes. The values are those of GrantCopySegmentsTest.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xengnttab.h>
#include <xen/xen.h>
#include <xen/grant_table.h>

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    char *local = (char *)(uintptr_t)strtoull(argv[2], NULL, 0);
    int from_guest = !strcmp(argv[1], "FROM_GUEST");
    xengnttab_grant_copy_segment_t segments[2];
    memset(segments, 0, sizeof segments);
    for (int i = 0; i < 2; i++) {
        xengnttab_grant_copy_segment_t *segment = &segments[i];
        union xengnttab_copy_ptr *foreign = from_guest ? &segment->source : &segment->dest;
        union xengnttab_copy_ptr *mine = from_guest ? &segment->dest : &segment->source;
        foreign->foreign.ref = i ? 0xfedcba98u : 8;
        foreign->foreign.offset = i ? 3584 : 0;
        foreign->foreign.domid = 0x7fef;
        mine->virt = local + (i ? 8192 : 4096);
        segment->len = i ? 512 : 4096;
        segment->flags = from_guest ? GNTCOPY_source_gref : GNTCOPY_dest_gref;
        segment->status = GNTST_okay;
    }
    return fwrite(segments, sizeof segments, 1, stdout) != 1;
}
