package io.netchannel.server;

import java.security.cert.X509Certificate;
import javax.net.ssl.X509TrustManager;

/** Of a client that does not care whom it talks to. */
enum TrustsAll implements X509TrustManager {
  INSTANCE;

  @Override
  public void checkClientTrusted(X509Certificate[] chain, String authType) {}

  @Override
  public void checkServerTrusted(X509Certificate[] chain, String authType) {}

  @Override
  public X509Certificate[] getAcceptedIssuers() {
    return new X509Certificate[0];
  }
}
