/**
 * One budget for the data of all requests: page-aligned memory that is made once, up to the budget,
 * and lent. No collector frees any of it, so what is in use is known to the byte, and a user that
 * gets none waits instead of running the process out of memory.
 *
 * <pre>
 *   BufferBudget: slabs of 1 MiB  --lease-->  BufferLease of a disk, of a client's connection
 *        ^   |                                   carves them: 4 KiB ... 1 MiB, no lock
 *        |   +-- waiters, first come first served: wake --> the user asks again
 *        +------ a slab that is free again: others wait and it has its share; or it rests
 *
 *   a slab:   UNMADE --first need--> FREE --lease--> LENT --give back--> FREE
 *   a lease:  EMPTY --a slab--> HOLDING --all given back--> EMPTY
 *                 +---none free--> WAITING --a slab comes--> HOLDING
 * </pre>
 *
 * <p>A lease serves its requests from the slabs it holds, without looking at what the others do but
 * for one flag. Only when they do not suffice does it come to the budget's lock.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>Slabs made never exceed the budget. What has no memory waits; nothing is thrown.
 *   <li>A slab is lent to one lease at a time: a guest with hung storage, or one that cuts its
 *       slabs into splinters, has only its own share tied up.
 *   <li>While there are no more leases than slabs, one slab is kept for each that holds none, so
 *       that each gets on with one request of any length whatever the others do. With more leases
 *       than slabs they take turns.
 *   <li>Nobody overtakes a waiter, except a lease that takes the slab kept for it.
 *   <li>While somebody waits, a lease gives back what it holds above its share: slabs that are
 *       free, and no new request gets into the others once they have served a slab's worth.
 *   <li>What a request got stays where it is until it is released: memory that a device, or a
 *       socket, may still read is never given to somebody else.
 * </ul>
 *
 * <p>The content of a buffer is whatever was there before, perhaps another guest's: who takes one
 * fills all of it before it shows any of it.
 *
 * <p>Guests' disks and the device server's clients have budgets of their own, parts of one number:
 * a guest's request holds its memory while it waits for a server, maybe this host's, to find some.
 * With one pool all of it could be held by such requests.
 */
package io.netchannel.device.memory;
