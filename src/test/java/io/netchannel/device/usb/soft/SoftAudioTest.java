package io.netchannel.device.usb.soft;

import static org.assertj.core.api.Assertions.assertThat;

import io.netchannel.device.usb.Transfer;
import io.netchannel.device.usb.UrbStatus;
import io.netchannel.device.usb.UsbHost;
import io.netchannel.device.usb.VirtualTime;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

final class SoftAudioTest {
  private static final int SPEAKER = 0x01;
  private static final int MICROPHONE = 0x82;
  private static final int PACKET_BYTES = 192;
  private static final int SAMPLES = 48;

  private final VirtualTime time = new VirtualTime();
  private final SoftAudio audio = new SoftAudio("S");
  private final SoftPort port = new SoftPort(audio, time, time::nanoTime);
  private final UsbHost host = new UsbHost(port, time);

  @BeforeEach
  void select() {
    host.enumerate();
    assertThat(host.set(1, 11, 1, 1)).isEqualTo(UrbStatus.OK);
    assertThat(host.set(1, 11, 1, 2)).isEqualTo(UrbStatus.OK);
  }

  @AfterEach
  void close() {
    port.close();
  }

  private Transfer play(int firstSample, int packets) {
    byte[] sound = new byte[packets * PACKET_BYTES];
    CounterPattern.fill(ByteBuffer.wrap(sound), firstSample);
    return host.submit(Transfer.isochronous(SPEAKER, PACKET_BYTES, sound));
  }

  @Test
  void theSpeakerHearsAllWithoutASilence() {
    for (int i = 0; i < 20; i++) {
      play(i * 10 * SAMPLES, 10);
      time.advance(Duration.ofMillis(i == 0 ? 5 : 10));
    }
    time.advance(Duration.ofMillis(20));
    assertThat(audio.heard()).isEqualTo(new CounterPattern.Counts(200 * SAMPLES, 0, 0));
    assertThat(audio.missedFrames()).isZero();
  }

  @Test
  void theSpeakerCountsTheSilence() {
    play(0, 10);
    time.advance(Duration.ofMillis(11 + 7));
    play(10 * SAMPLES, 10);
    time.advance(Duration.ofMillis(20));
    assertThat(audio.heard()).isEqualTo(new CounterPattern.Counts(20 * SAMPLES, 0, 0));
    assertThat(audio.missedFrames()).isEqualTo(8);
    host.set(1, 11, 0, 1);
    assertThat(audio.missedFrames()).isZero();
  }

  @Test
  void theMicrophoneCountsItsSamples() {
    Transfer heard =
        host.submit(Transfer.isochronous(MICROPHONE, PACKET_BYTES, new byte[10 * PACKET_BYTES]));
    time.advance(Duration.ofMillis(11));
    ByteBuffer sound = ByteBuffer.wrap(heard.data()).order(ByteOrder.LITTLE_ENDIAN);
    assertThat(sound.remaining()).isEqualTo(10 * PACKET_BYTES);
    int first = sound.getInt(0);
    for (int i = 0; i < 10 * SAMPLES; i++) {
      assertThat(sound.getInt(i * 4)).isEqualTo(first + i);
    }
  }
}
