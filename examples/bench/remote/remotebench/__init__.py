"""Remote disks measured: Netchannel, qemu-nbd and nbdkit, each with its own client and its own server."""
