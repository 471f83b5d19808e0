/**
 * Where servers are, as people write it: host names, addresses, ports. One grammar for all of them:
 * the URIs of devices, the addresses of peers, where the daemon listens. Which addresses are this
 * host's own, and how two exports are written as one source ({@link
 * io.netchannel.net.MirrorSource}).
 */
package io.netchannel.net;
