package io.netchannel.coordinator;

import io.netchannel.files.MemoryFiles;
import java.io.IOException;
import java.nio.file.Path;

/** A journal, as it is on a disk, on a disk that a test makes fail and forget. */
final class JournalInMemory {
  static final Path DIRECTORY = Path.of("/journal");
  static final Path LOG = DIRECTORY.resolve("journal");

  private JournalInMemory() {}

  static MigrationJournal open(MemoryFiles disk) throws JournalException {
    try {
      return new MigrationJournal(new FileJournalStorage(DIRECTORY, disk, () -> {}));
    } catch (IOException e) {
      throw new JournalException("cannot open the journal: " + e.getMessage(), e);
    }
  }

  static boolean isManifest(Path file) {
    return file.toString().endsWith(".manifest");
  }
}
