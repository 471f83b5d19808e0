/**
 * This host's certificates as settings for TLS, for both ends of a connection; which names a
 * certificate proves; and a certificate authority for tests.
 *
 * <p>Who uses it decides whom to let in: {@code coordinator.peer} its configured peers, {@code
 * server} whom an export names.
 */
package io.netchannel.tls;
