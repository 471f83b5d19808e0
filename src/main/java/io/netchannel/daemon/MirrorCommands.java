package io.netchannel.daemon;

import io.netchannel.device.DeviceException;
import io.netchannel.device.legs.MirrorRecord;
import io.netchannel.device.legs.Mirrors;
import io.netchannel.device.mirror.MirrorStatus;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/** What the command line asks of disks with two legs. Stateless. */
final class MirrorCommands {
  private final Mirrors mirrors;

  MirrorCommands(Mirrors mirrors) {
    this.mirrors = mirrors;
  }

  /** Whether it answers this request. */
  static boolean knows(Map<String, Object> request) {
    return "mirrors".equals(request.get("command")) || "mirror".equals(request.get("command"));
  }

  /**
   * Answers it.
   *
   * @param others what else the daemon answers: it knows the names of guests
   */
  Object handle(Map<String, Object> request, ControlEndpoint.Handler others)
      throws ControlException {
    if ("mirrors".equals(request.get("command"))) {
      return list(devices(others));
    }
    String action = ControlCommands.text(request, "action");
    return switch (action) {
      case "force-leg" -> forceLeg(request, others);
      case "add", "drop" -> others.handle(request); // under the guest
      default -> throw new ControlException("a mirror knows no \"%s\"".formatted(action));
    };
  }

  /** Adds what is known of legs to a list of devices. */
  Object withLegs(Object devices) {
    List<Map<String, Object>> all = Json.objects(devices);
    all.forEach(device -> of(device).ifPresent(status -> device.put("legs", legs(status))));
    return all;
  }

  /** What a person should know of, beside what guests wait for. */
  Object withProblems(Object status, ControlEndpoint.Handler others) throws ControlException {
    Map<String, Object> all = Json.object(status);
    if (all.get("waiting") instanceof List<?> waiting) {
      List<Object> more = new ArrayList<>(waiting);
      more.addAll(mirrors.held());
      for (Map<String, Object> mirror : list(devices(others))) {
        for (Map<String, Object> leg : Json.objects(mirror.get("legs"))) {
          if (!Boolean.TRUE.equals(leg.get("upToDate"))) {
            more.add(
                "disk %s of %s has one leg that is up to date: %s is not%s"
                    .formatted(
                        mirror.get("target"),
                        mirror.get("domain"),
                        leg.get("source"),
                        leg.get("problem") == null ? "" : ": " + leg.get("problem")));
          }
        }
      }
      all.put("waiting", more);
    }
    return all;
  }

  private static List<Map<String, Object>> devices(ControlEndpoint.Handler others)
      throws ControlException {
    return Json.objects(others.handle(Map.of("command", "devices")));
  }

  private List<Map<String, Object>> list(List<Map<String, Object>> devices) {
    List<Map<String, Object>> found = new ArrayList<>();
    for (Map<String, Object> device : devices) {
      of(device).ifPresent(status -> found.add(describe(device, status)));
    }
    return found;
  }

  private Optional<Mirrors.Status> of(Map<String, Object> device) {
    String user = device.get("uuid") + "/" + device.get("target");
    return mirrors.all().stream().filter(status -> status.user().equals(user)).findFirst();
  }

  private static Map<String, Object> describe(Map<String, Object> device, Mirrors.Status status) {
    MirrorStatus mirror = status.mirror();
    Map<String, Object> described = new LinkedHashMap<>();
    described.put("domain", device.get("domain"));
    described.put("uuid", device.get("uuid"));
    described.put("target", device.get("target"));
    described.put("state", state(mirror));
    described.put("reason", mirror.reason().isEmpty() ? null : mirror.reason());
    described.put("mirror", status.record().mirror());
    described.put("epoch", status.record().epoch());
    described.put("sizeBytes", mirror.sizeBytes());
    described.put("leftBytes", mirror.leftBytes());
    described.put("copiedBytes", mirror.copiedBytes());
    described.put("longestWriteMillis", mirror.longestWriteMillis());
    described.put("legs", legs(status));
    return described;
  }

  private static List<Map<String, Object>> legs(Mirrors.Status status) {
    List<Map<String, Object>> legs = new ArrayList<>();
    for (Mirrors.LegStatus leg : status.legs()) {
      Map<String, Object> described = new LinkedHashMap<>();
      described.put("source", leg.source());
      described.put("upToDate", leg.member());
      described.put("problem", leg.problem().orElse(null));
      legs.add(described);
    }
    return legs;
  }

  /** In the words of the description of {@code device.legs}. */
  private static String state(MirrorStatus mirror) {
    return switch (mirror.state()) {
      case SYNC -> "sync";
      case DROPPING -> "giving up a leg";
      case COPYING, CONVERGING, FLUSHING, JOINING -> "resync";
      case PAUSED -> "degraded";
      case RECORDING, ALONE, ABORTED -> mirror.state().name().toLowerCase(Locale.ROOT);
    };
  }

  private Object forceLeg(Map<String, Object> request, ControlEndpoint.Handler others)
      throws ControlException {
    String domain = ControlCommands.text(request, "domain");
    String target = ControlCommands.text(request, "target");
    String leg = ControlCommands.text(request, "source");
    try {
      boolean runsNowhere = Boolean.TRUE.equals(request.get("runsNowhere"));
      MirrorRecord forced = mirrors.forceLeg(uuid(domain, others) + "/" + target, leg, runsNowhere);
      Map<String, Object> described = new LinkedHashMap<>();
      described.put("epoch", forced.epoch());
      described.put("upToDate", forced.members());
      return described;
    } catch (DeviceException e) {
      throw new ControlException(e.getMessage(), e);
    }
  }

  /** Of a guest that waits here for this disk, by its name; else as it is written. */
  private static UUID uuid(String domain, ControlEndpoint.Handler others) throws ControlException {
    for (Map<String, Object> device : devices(others)) {
      if (domain.equals(device.get("domain"))) {
        return UUID.fromString(String.valueOf(device.get("uuid")));
      }
    }
    try {
      return UUID.fromString(domain);
    } catch (IllegalArgumentException e) {
      throw new ControlException(
          "no domain \"%s\" with a disk here; of one that is shut off give the UUID (virsh domuuid)"
              .formatted(domain),
          e);
    }
  }
}
