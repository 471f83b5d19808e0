package io.netchannel.device.nbd;

import com.google.common.collect.ImmutableSet;
import io.netchannel.device.DeviceException;
import io.netchannel.device.Storage;
import io.netchannel.net.Interfaces;
import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.util.Locale;

/** Where an NBD export is, in every form that is known: its server does not say what it is. */
public final class NbdPlace {
  private NbdPlace() {}

  /** May ask the name service, and wait for it. */
  public static Storage storage(NbdUri uri) throws DeviceException {
    if (uri.socket().isPresent()) {
      return Storage.called(ImmutableSet.of(name(real(uri.socket().get()).toString(), uri)));
    }
    ImmutableSet.Builder<String> names = ImmutableSet.builder();
    names.add(name(uri.host().toLowerCase(Locale.ROOT) + ":" + uri.port(), uri));
    try {
      for (InetAddress address : InetAddress.getAllByName(uri.host())) {
        names.add(name(Interfaces.hostOf(address) + ":" + uri.port(), uri));
      }
    } catch (UnknownHostException e) {
      // Its name is what is left; to connect will say it.
    }
    return Storage.called(names.build());
  }

  private static String name(String server, NbdUri uri) {
    return "nbd " + server + " " + uri.name();
  }

  private static Path real(Path socket) {
    try {
      return socket.toRealPath();
    } catch (IOException e) {
      return socket; // to connect will say what is wrong with it
    }
  }
}
