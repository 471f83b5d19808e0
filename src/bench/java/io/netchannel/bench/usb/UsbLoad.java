package io.netchannel.bench.usb;

import com.google.common.base.Splitter;
import com.google.common.collect.ImmutableMap;
import io.netchannel.device.DeviceException;
import io.netchannel.device.remote.OwnServer;
import io.netchannel.device.remote.RemoteDevices;
import io.netchannel.device.remote.RemoteOptions;
import io.netchannel.device.usb.UsbDevice;
import io.netchannel.device.usb.UsbKind;
import io.netchannel.device.usb.UsbOpenOptions;
import io.netchannel.device.usb.UsbOpener;
import io.netchannel.device.usb.fs.UsbfsKind;
import io.netchannel.device.usb.redir.RedirDevices;
import io.netchannel.tls.HostTls;
import io.netchannel.tls.TlsFiles;
import io.netchannel.wire.Transport;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;

/**
 * Opens USB devices, then does what each line of its input says, on all of them at the same time,
 * and answers each with a line of JSON. examples/bench/usb/machine/usbload.c understands the first
 * two of:
 *
 * <pre>
 *   control     ENDPOINT BYTES DEPTH REQUESTS   the device's descriptor, BYTES of it
 *   bulk        ENDPOINT BYTES DEPTH REQUESTS
 *   interrupt   ENDPOINT BYTES DEPTH REQUESTS
 *   isochronous ENDPOINT BYTES DEPTH REQUESTS   8 packets in a request, BYTES in a packet
 *   ask         TYPE REQUEST VALUE INDEX        a control request without data
 *   stream      OUT IN                          numbered data both ways, up to the next line
 * </pre>
 */
public final class UsbLoad {

  /** In an emulated machine a server that has just begun needs a while for everything. */
  private static final Duration PATIENCE = Duration.ofMinutes(5);

  private static final Splitter WORDS = Splitter.on(' ').omitEmptyStrings();

  private UsbLoad() {}

  private static RemoteOptions patient() {
    RemoteOptions usual = RemoteOptions.DEFAULT;
    return new RemoteOptions(
        PATIENCE,
        usual.connect(),
        usual.ping(),
        PATIENCE,
        usual.firstDelay(),
        usual.longestDelay(),
        usual.giveUp());
  }

  /** Arguments: the directory with the certificates, "-" for none; sources. */
  public static void main(String[] arguments) throws Exception {
    Optional<HostTls> tls =
        arguments[0].equals("-")
            ? Optional.empty()
            : Optional.of(new HostTls(TlsFiles.libvirt(Path.of(arguments[0]))));
    try (Transport transport = new Transport("device-io", 1);
        Here here = new Here()) {
      RemoteDevices remote =
          new RemoteDevices(
              transport,
              Executors.newCachedThreadPool(
                  task -> {
                    Thread thread = new Thread(task, "resolve");
                    thread.setDaemon(true);
                    return thread;
                  }),
              tls,
              patient(),
              new Random(),
              OwnServer.NONE,
              "no certificates were named");
      UsbOpener opener =
          new UsbOpener(
              ImmutableMap.<String, UsbKind>builder()
                  .put("usb", here)
                  .put(RedirDevices.SCHEME, new RedirDevices(System::nanoTime, new Random()))
                  .putAll(remote.usbKinds())
                  .buildOrThrow(),
              ImmutableMap.of());
      List<UsbDevice> devices = new ArrayList<>();
      for (int i = 1; i < arguments.length; i++) {
        devices.add(opener.open(arguments[i], UsbOpenOptions.PLAIN));
      }
      for (UsbDevice device : devices) {
        awaitPlugged(device);
      }
      System.out.println("{\"devices\": %d}".formatted(devices.size()));
      obey(devices);
      devices.forEach(UsbDevice::close);
    }
  }

  private static void awaitPlugged(UsbDevice device) throws InterruptedException {
    CountDownLatch plugged = new CountDownLatch(1);
    device.listen(
        () -> {
          if (device.port().plugged().isPresent()) {
            plugged.countDown();
          }
        });
    plugged.await();
  }

  private static void obey(List<UsbDevice> devices) throws IOException, InterruptedException {
    BufferedReader input =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      List<String> words = WORDS.splitToList(line);
      System.out.println(
          switch (words.get(0)) {
            case "stream" -> {
              NumberedStreams streams =
                  new NumberedStreams(
                      devices.get(0), Integer.decode(words.get(1)), Integer.decode(words.get(2)));
              streams.start();
              var unused = input.readLine();
              yield streams.stop();
            }
            case "ask" ->
                Requests.ask(devices, words.stream().skip(1).map(Integer::decode).toList());
            default -> Requests.of(words).run(devices);
          });
    }
  }

  /** What is plugged into this host; begun when it is first asked for. */
  private static final class Here implements UsbKind, AutoCloseable {
    private Optional<UsbfsKind> begun = Optional.empty();

    @Override
    public UsbDevice open(String text, UsbOpenOptions options) throws DeviceException {
      if (begun.isEmpty()) {
        begun = Optional.of(UsbfsKind.ofThisHost(System::nanoTime));
      }
      return begun.get().open(text, options);
    }

    @Override
    public void check(String text) {}

    @Override
    public void close() {
      begun.ifPresent(UsbfsKind::close);
    }
  }
}
