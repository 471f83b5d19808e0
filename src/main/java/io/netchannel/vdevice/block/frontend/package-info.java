/**
 * The other end: a model of Linux' xen-blkfront for the demo and the tests, in a domain of the
 * embedded hypervisor. The product never uses it.
 *
 * <pre>
 *  GuestIo  read, write, flush, discard of a program
 *     |        queue: cut to the backend's limits, neighbours merged      (Blkfront)
 *  FrontRequest  what fits into one slot
 *     |        id and grants in the shadow                               (BlkfrontRing)
 *  FrontRing  the shared slots
 *
 *  DISCONNECTED --backend InitWait: rings published--> (Initialised) --backend Connected--> CONNECTED
 *                                                                            ^               |
 *     resume(): old rings dropped, shadow kept, new rings published          |               |
 *                            SUSPENDED  --backend Connected: resubmitted-----+  &lt;---resume---+
 *
 *  CONNECTED --response that cannot be, grant still in use--> ERROR
 * </pre>
 *
 * As in Linux 6.1: the order of handshake steps and nodes; rsp_event is one after the responses
 * taken when the interrupt handler ends; at resume flushes and discards are requeued whole and
 * first, reads and writes are submitted anew by content; grants are ended at each completion, and
 * one that is still in use disables the device. Left out: persistent grants (the backend does not
 * offer them), FUA, and the scheduling of Linux' block layer: the queue is first in, first out,
 * with merging of neighbours.
 *
 * <p>Invariant: each I/O is completed exactly once per byte; more is an exception.
 */
package io.netchannel.vdevice.block.frontend;
