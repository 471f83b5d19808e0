/*
 * Prints a call of XEN_DOMCTL_getdomaininfo for domain 0x1234 and its answer of a suspended domain as the
 * C compiler lays them out, for comparison with what the Java side writes and reads: GetDomainInfoTest.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define __XEN_TOOLS__ 1
#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/sched.h>

int main(void)
{
    struct xen_domctl call;
    memset(&call, 0, sizeof call);
    call.cmd = XEN_DOMCTL_getdomaininfo;
    call.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    call.domain = 0x1234;
    if (fwrite(&call, sizeof call, 1, stdout) != 1)
        return 1;
    call.u.getdomaininfo.domain = 0x1234;
    call.u.getdomaininfo.flags = XEN_DOMINF_shutdown | XEN_DOMINF_hvm_guest | XEN_DOMINF_blocked
        | SHUTDOWN_suspend << XEN_DOMINF_shutdownshift;
    return fwrite(&call, sizeof call, 1, stdout) != 1;
}
