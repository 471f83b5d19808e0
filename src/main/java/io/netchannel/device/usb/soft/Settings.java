package io.netchannel.device.usb.soft;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.ImmutableSortedMap;
import io.netchannel.device.usb.Descriptors.Configuration;
import io.netchannel.device.usb.Descriptors.Interface;
import io.netchannel.device.usb.PortState;
import io.netchannel.device.usb.Urb;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** What the host has set of a device, and the standard requests (USB 2.0, 9.4). */
final class Settings {
  private static final int KIND_BITS = 0x60;

  private static final int DEVICE = 0x00;
  private static final int INTERFACE = 0x01;
  private static final int ENDPOINT = 0x02;

  private static final int GET_STATUS = 0;
  private static final int CLEAR_FEATURE = 1;
  private static final int SET_FEATURE = 3;
  private static final int GET_DESCRIPTOR = 6;
  private static final int GET_CONFIGURATION = 8;
  private static final int SET_CONFIGURATION = 9;
  private static final int GET_INTERFACE = 10;
  private static final int SET_INTERFACE = 11;

  private static final int ENDPOINT_HALT = 0;

  private static final Optional<byte[]> DONE = Optional.of(new byte[0]);
  private static final Optional<byte[]> STALL = Optional.empty();

  private final Model model;
  private final SoftFunction function;
  private final ImmutableMap<Integer, Pipe> pipes;

  private int configuration;

  /** Alternate settings of the configuration's interfaces. */
  private final Map<Integer, Integer> alternates = new TreeMap<>();

  Settings(Model model, SoftFunction function, ImmutableMap<Integer, Pipe> pipes) {
    this.model = model;
    this.function = function;
    this.pipes = pipes;
  }

  PortState.Plugged plugged() {
    ImmutableSet.Builder<Integer> halted = ImmutableSet.builder();
    for (Pipe pipe : pipes.values()) {
      if (pipe.isHalted()) {
        halted.add(pipe.address());
      }
    }
    return new PortState.Plugged(
        model.speed(),
        model.descriptors(),
        Optional.of(model.serial()),
        configuration,
        ImmutableSortedMap.copyOf(alternates),
        halted.build());
  }

  /** As after power on. */
  void reset() {
    configure(0);
  }

  /**
   * Does a control request.
   *
   * @return as {@link SoftFunction#control}
   */
  Optional<byte[]> control(Setup setup, byte[] data) {
    if ((setup.type() & KIND_BITS) != 0) {
      return function.control(setup, data);
    }
    boolean isIn = (setup.type() & Urb.IN) != 0;
    return switch (setup.type() & ~Urb.IN) {
      case DEVICE -> isIn ? ofDevice(setup) : toDevice(setup);
      case INTERFACE -> isIn ? ofInterface(setup, data) : toInterface(setup);
      case ENDPOINT -> isIn ? ofEndpoint(setup) : toEndpoint(setup);
      default -> STALL;
    };
  }

  private Optional<byte[]> ofDevice(Setup setup) {
    return switch (setup.request()) {
      case GET_STATUS -> Optional.of(new byte[] {1, 0}); // it has power of its own
      case GET_DESCRIPTOR -> model.descriptor(setup.value() >> 8, setup.value() & 0xff);
      case GET_CONFIGURATION -> Optional.of(new byte[] {(byte) configuration});
      default -> STALL;
    };
  }

  private Optional<byte[]> toDevice(Setup setup) {
    if (setup.request() != SET_CONFIGURATION) {
      return STALL;
    }
    if (setup.value() != 0 && model.descriptors().configuration(setup.value()).isEmpty()) {
      return STALL;
    }
    configure(setup.value());
    return DONE;
  }

  private Optional<byte[]> ofInterface(Setup setup, byte[] data) {
    Integer alternate = alternates.get(setup.index());
    return switch (setup.request()) {
      case GET_DESCRIPTOR -> function.control(setup, data);
      case GET_STATUS -> alternate == null ? STALL : Optional.of(new byte[2]);
      case GET_INTERFACE ->
          alternate == null ? STALL : Optional.of(new byte[] {alternate.byteValue()});
      default -> STALL;
    };
  }

  private Optional<byte[]> toInterface(Setup setup) {
    if (setup.request() != SET_INTERFACE
        || settingOf(setup.index(), setup.value()).isEmpty()
        || !alternates.containsKey(setup.index())) {
      return STALL;
    }
    select(setup.index(), setup.value());
    function.selected(setup.index());
    return DONE;
  }

  private Optional<byte[]> ofEndpoint(Setup setup) {
    if (setup.request() != GET_STATUS) {
      return STALL;
    }
    Pipe pipe = pipes.get(setup.index());
    if (pipe == null) {
      return isEndpoint0(setup) ? Optional.of(new byte[2]) : STALL;
    }
    return Optional.of(new byte[] {(byte) (pipe.isHalted() ? 1 : 0), 0});
  }

  private Optional<byte[]> toEndpoint(Setup setup) {
    boolean isSet = setup.request() == SET_FEATURE;
    if (setup.value() != ENDPOINT_HALT || !(isSet || setup.request() == CLEAR_FEATURE)) {
      return STALL;
    }
    Pipe pipe = pipes.get(setup.index());
    if (pipe == null || !pipe.isSelected()) {
      return isEndpoint0(setup) ? DONE : STALL;
    }
    if (isSet) {
      pipe.halt();
    } else {
      pipe.clearHalt();
    }
    return DONE;
  }

  private static boolean isEndpoint0(Setup setup) {
    return (setup.index() & ~Urb.IN) == 0;
  }

  private void configure(int value) {
    configuration = value;
    alternates.clear();
    pipes.values().forEach(pipe -> pipe.select(false));
    function.restart();
    for (Interface each : settings()) {
      if (each.alternate() == 0) {
        select(each.number(), 0);
      }
    }
  }

  private void select(int number, int alternate) {
    alternates.put(number, alternate);
    for (Interface each : settings()) {
      if (each.number() == number) {
        each.endpoints().forEach(endpoint -> pipes.get(endpoint.address()).select(false));
      }
    }
    settingOf(number, alternate)
        .ifPresent(
            setting ->
                setting
                    .endpoints()
                    .forEach(endpoint -> pipes.get(endpoint.address()).select(true)));
  }

  private Optional<Interface> settingOf(int number, int alternate) {
    return settings().stream()
        .filter(each -> each.number() == number && each.alternate() == alternate)
        .findFirst();
  }

  private ImmutableList<Interface> settings() {
    return model
        .descriptors()
        .configuration(configuration)
        .map(Configuration::interfaces)
        .orElse(ImmutableList.of());
  }
}
