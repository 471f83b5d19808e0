# shellcheck shell=bash
# Sourced by test and run: what Surefire's XML reports say.

REPORTS=target/surefire-reports

# reports: the text of all of them; none when the build broke before the tests.
reports() {
  [ ! -d "$REPORTS" ] || find "$REPORTS" -name 'TEST-*.xml' -exec cat {} +
}

# total ATTRIBUTE: the sum of an attribute over all test suites.
total() {
  reports |
    awk -v attribute=" $1=\"" '
      # A <testsuite> element is the only one with these counts; it ends at the first ">".
      /^<testsuite / { inside = 1 }
      inside {
        at = index($0, attribute)
        if (at) sum += substr($0, at + length(attribute)) + 0
        if (/>/) inside = 0
      }
      END { print sum + 0 }'
}

tests_failed() { echo $(($(total failures) + $(total errors))); }

tests_passed() { echo $(($(total tests) - $(total failures) - $(total errors) - $(total skipped))); }

# skipped_tests: class and name of each test that was skipped, a line each.
skipped_tests() {
  reports |
    awk '
      function value(attribute,   at, rest) {
        at = index($0, " " attribute "=\"")
        if (!at) return "?"
        rest = substr($0, at + length(attribute) + 3)
        return substr(rest, 1, index(rest, "\"") - 1)
      }
      /^ *<testcase / { test = value("classname") "." value("name") }
      /^ *<skipped/ { print "  " test }'
}

# test_classes_not_run: the classes in src/test/java with tests of their own but without a report.
test_classes_not_run() {
  local file class
  grep -rlE --include='*.java' '^ *@(Test|ParameterizedTest|RepeatedTest|TestFactory|TestTemplate)\b' src/test/java |
    sort |
    while read -r file; do
      # A contract is run by the classes that extend it.
      ! grep -qE '^(public )?(abstract class|interface) ' "$file" || continue
      class=${file#src/test/java/}
      class=${class%.java}
      class=${class//\//.}
      # A class with nested test classes only has reports of those.
      compgen -G "$REPORTS/TEST-$class.xml" >/dev/null ||
        compgen -G "$REPORTS/TEST-$class\$*.xml" >/dev/null ||
        echo "  $class"
    done
}
