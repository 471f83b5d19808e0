"""USB devices of other hosts, measured: Netchannel, usbip and usbredir, each with its own client and its own server."""
