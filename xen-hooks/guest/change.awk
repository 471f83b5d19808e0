# SPDX-License-Identifier: GPL-2.0-or-later
#
# awk -f change.awk CHANGE SOURCE: prints SOURCE with CHANGE made to it; or says what does not fit, and exits with 1.
#
# A line of CHANGE is a word and an extended regular expression, which one line of SOURCE must match, no more and no less. All refer
# to SOURCE as it was.
#
#   in RE        where what follows is looked for: from this line to the next one that begins with }
#   without RE   no line of it matches, else SOURCE has the change, or one like it, already
#   before RE, after RE, replace RE      where the lines that follow with a + go
#   through RE   below replace: all lines from there to this one are replaced
#   # ...        a comment

BEGIN { of = "the file" }

# The change is remembered, as the whole source must be known first.
FNR == NR {
  if ($0 !~ /^(#|$)/) {
    change[++changes] = $0
    number[changes] = FNR
  }
  next
}

{ source[++lines] = $0 }

END {
  for (each = 1; each <= changes; each++) {
    word = rule = change[each]
    sub(/ .*/, "", word)
    sub(/^[^ ]* /, "", rule)
    if (word ~ /^\+/) {
      text[place] = text[place] substr(change[each], 2) "\n"
    } else if (word == "in") {
      of = "the file"
      first = 1
      last = lines
      first = found = one(rule)
      of = "/" rule "/"
      for (last = first; last < lines && source[last] !~ /^}/; last++);
    } else if (!found) {
      # Said already of its "in".
      place = "nowhere"
    } else if (word == "without") {
      if (count(rule)) problem("expected no line that matches /" rule "/ in " of ", found one: it needs no change, or another one")
    } else if (word == "before" || word == "after" || word == "replace") {
      begin = one(rule)
      place = begin (word == "after" ? "after" : "before")
      if (word == "replace") gone[begin] = 1
    } else if (word == "through") {
      for (end = one(rule); end > begin; end--) gone[end] = 1
    } else {
      problem("expected in, without, before, after, replace, through or +, found " word)
    }
  }
  if (!changes) problem("expected a change, found none")
  if (problems) exit 1
  for (line = 1; line <= lines; line++) {
    printf "%s", text[line "before"]
    if (!gone[line]) print source[line]
    printf "%s", text[line "after"]
  }
}

function count(rule, line, matches) {
  matches = 0
  for (line = first; line <= last; line++) {
    if (source[line] ~ rule) {
      matches++
      at = line
    }
  }
  return matches
}

# The line that matches, or 0.
function one(rule, matches) {
  matches = count(rule)
  if (matches == 1) return at
  problem("expected one line that matches /" rule "/ in " of ", found " matches)
  return 0
}

function problem(words) {
  print ARGV[1] ":" number[each] ": " words | "cat >&2"
  problems++
}
