/**
 * Where servers are, as people write it: host names, addresses, ports. One grammar for all of them:
 * the URIs of devices, the addresses of peers, where the daemon listens.
 */
package io.netchannel.net;
