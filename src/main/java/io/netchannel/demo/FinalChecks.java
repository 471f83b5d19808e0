package io.netchannel.demo;

import io.netchannel.demo.report.Units;
import io.netchannel.demo.report.Verdict;
import io.netchannel.demo.trace.ExactlyOnce;
import io.netchannel.demo.trace.TraceEvent;
import io.netchannel.rehearsal.guest.DiskModel;
import io.netchannel.rehearsal.guest.Workload;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** What must hold in the end, from three sides: the guest's, the disk's, the mid-points'. */
final class FinalChecks {
  static final String GUEST = "the guest: every request completed once, every read as expected";

  private static final int SHOWN = 3;

  private final Workload.Progress progress;
  private final DiskModel model;

  FinalChecks(Workload.Progress progress, DiskModel model) {
    this.progress = progress;
    this.model = model;
  }

  Verdict guest() {
    boolean complete = progress.sent() == progress.completed() && progress.outstanding() == 0;
    String detail =
        "%s requests, %s read and verified"
            .formatted(Units.count(progress.completed()), Units.bytes(progress.bytesVerified()));
    if (!progress.violations().isEmpty()) {
      detail = words(progress.violations());
    } else if (!complete) {
      detail =
          "%d sent, %d completed, %d outstanding"
              .formatted(progress.sent(), progress.completed(), progress.outstanding());
    }
    return new Verdict(GUEST, complete && progress.violations().isEmpty(), detail);
  }

  Verdict disk(Path disk) throws IOException {
    List<String> wrong = model.compare(disk);
    return new Verdict(
        "the disk: every block holds the last write that the guest saw done",
        wrong.isEmpty(),
        wrong.isEmpty()
            ? "%s blocks compared, %s of them written"
                .formatted(Units.count(model.blocks()), Units.count(model.blocksWritten()))
            : words(wrong));
  }

  Verdict exactlyOnce(List<List<TraceEvent>> traces) {
    ExactlyOnce.Result result = ExactlyOnce.check(traces);
    boolean holds = result.violations().isEmpty() && result.handed() > 0;
    return new Verdict(
        "the mid-points: every request has one outcome, none reached the device twice",
        holds,
        result.violations().isEmpty()
            ? "%s taken, %s answered, %d handed over, %d adopted, %d answered from the replay map"
                .formatted(
                    Units.count(result.taken()),
                    Units.count(result.answered()),
                    result.handed(),
                    result.adopted(),
                    result.replayed())
            : words(result.violations()));
  }

  private static String words(List<String> violations) {
    String shown = String.join("; ", violations.subList(0, Math.min(SHOWN, violations.size())));
    return violations.size() <= SHOWN ? shown : shown + "; and more";
  }
}
