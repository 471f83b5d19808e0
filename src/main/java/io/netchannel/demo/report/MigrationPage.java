package io.netchannel.demo.report;

import java.util.List;

/** One migration as a page of its own. */
public final class MigrationPage {
  private MigrationPage() {}

  /**
   * The page as HTML.
   *
   * @param about a line under the title, as text
   * @param footer text
   */
  public static String of(
      MigrationReport migration, String about, List<Tile> tiles, String footer) {
    return HtmlPage.of(
        migration.title(),
        """
        <header><div><h1>Netchannel migration</h1><p>%s</p></div></header>
        %s<footer>%s</footer>
        """
            .formatted(
                Html.escape(about), MigrationSection.of(migration, tiles), Html.escape(footer)));
  }
}
