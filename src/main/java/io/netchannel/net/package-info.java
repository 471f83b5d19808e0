/**
 * Where servers are, as people write it: host names, addresses, ports. One grammar for all of them:
 * the URIs of devices, the addresses of peers, where the daemon listens. And which addresses are
 * this host's own.
 */
package io.netchannel.net;
