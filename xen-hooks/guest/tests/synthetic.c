/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Not a driver: what xen-hcd.change looks for, each once where it belongs, and the same elsewhere, where it must be let be. */
struct xenhcd_info {
	bool error;
};

static int xenhcd_bus_resume(hcd)
{
	for (;;)
		xenhcd_rhport_resume(info, i);
}

static int xenhcd_hub_control(hcd)
{
	a &= ~USB_PORT_STAT_SUSPEND;
}

static void elsewhere(info)
{
	a &= ~USB_PORT_STAT_SUSPEND;
	while (RING_FULL(ring))
		spin_lock_irqsave(lock);
	for (i = 0; i < XENUSB_URB_RING_SIZE; i++)
		continue;
}

static void xenhcd_kick_pending_urbs(info)
{
	while (waiting) {
		if (RING_FULL(ring))
			return;
		first = list_entry(
			struct urb_priv, list);
		go_on(first);
	}
	xenhcd_timer_action_done(info);
}

static int xenhcd_submit_urb(info, urbp)
{
	if (RING_FULL(ring)) {
		queue(full);
	}
	if (!list_empty(waiting)) {
		queue(behind);
	}
}

static int xenhcd_unlink_urb(info, urbp)
{
	if (RING_FULL(ring)) {
		queue(unlink);
	}
	if (!list_empty(unlinks)) {
		queue(unlink);
	}
}

static int xenhcd_urb_request_done(info)
{
	rsp_event = i + 1;
	unlock(request_done);
}

static int xenhcd_talk_to_backend(dev)
{
	err = xenbus_transaction_end(xbt, 0);
abort_transaction:
	xenbus_transaction_end(xbt, 1);
}

static int xenhcd_connect(dev)
{
	conn_ring.req_prod_pvt = idx;
	push(conn_ring);
}

static void xenhcd_watchdog(timer)
{
	spin_lock_irqsave(lock);
	act(timer);
}

static struct usb_hcd *xenhcd_create_hcd(dev)
{
	int i;
	int err;

	for (i = 0; i < XENUSB_URB_RING_SIZE; i++) {
		make(i);
	}
	end_of(shadow[XENUSB_URB_RING_SIZE - 1]);
	return hcd;
}

static void xenhcd_backend_changed(dev)
{
}

static void xenhcd_remove(dev)
{
	xenhcd_destroy_rings(info);
}

static struct xenbus_driver xenhcd_driver = {
	.remove = xenhcd_remove,
};
