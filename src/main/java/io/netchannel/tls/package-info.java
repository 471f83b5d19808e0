/**
 * This host's certificates as settings for TLS, for both ends of a connection; which names a
 * certificate proves; places for who has not shown one yet; and a certificate authority for tests.
 *
 * <p>A server takes certificates and does not demand them: who has none, or one that is not
 * trusted, is a stranger ({@link io.netchannel.tls.Strangers}) for as long as it is connected.
 *
 * <p>Who uses it decides whom to let in: {@code coordinator.peer} its configured peers, {@code
 * server} whom an export names.
 */
package io.netchannel.tls;
