package io.netchannel.vdevice.usb;

/**
 * Where a frontend's ring of requests is in its guest's memory, and how far it was served, when the
 * guest has suspended. By that another host finds what the guest puts there before it has a new
 * ring.
 *
 * @param gfn of the ring's page
 * @param requestConsumer index of the next request that nobody has taken (req_cons)
 * @param responseProducer index after the last response that the frontend was shown (rsp_prod)
 */
public record RingMark(long gfn, int requestConsumer, int responseProducer) {}
