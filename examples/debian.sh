# Sourced by the scripts that set up what they need on Debian 12.
# Functions only; the caller has `set -euo pipefail`.

say() { printf '== %s\n' "$*"; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# packages PACKAGE...: installs those that are not installed; needs root only then.
packages() {
  local missing=() package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] ||
      missing+=("$package")
  done
  if [ ${#missing[@]} -eq 0 ]; then
    say "Debian packages: all $# there"
    return
  fi
  [ "$(id -u)" -eq 0 ] ||
    die "these Debian packages are missing: ${missing[*]}; install them, or run this script as root"
  say "Debian packages: installing ${missing[*]}"
  # Another apt may be at work (unattended-upgrades on a fresh machine): wait for it, at most 5 minutes.
  local apt=(apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
  DEBIAN_FRONTEND=noninteractive "${apt[@]}" update
  DEBIAN_FRONTEND=noninteractive "${apt[@]}" install -y --no-install-recommends "${missing[@]}" \
    >/dev/null
}

# jdk_and_maven: a JDK of 17 or later and Maven, whoever installed them; else Debian's.
jdk_and_maven() {
  local wanted=()
  if [ -z "${JAVA_HOME:-}" ]; then
    command -v javac >/dev/null || wanted+=(openjdk-17-jdk-headless)
  fi
  command -v mvn >/dev/null || wanted+=(maven)
  [ ${#wanted[@]} -eq 0 ] || packages "${wanted[@]}"
  local javac=javac version
  [ -z "${JAVA_HOME:-}" ] || javac=$JAVA_HOME/bin/javac
  version=$("$javac" -version 2>&1 | sed -n 's/^javac \([0-9]*\).*/\1/p')
  [ "${version:-0}" -ge 17 ] ||
    die "expected a JDK of 17 or later, found $javac of version '${version:-none}'; set JAVA_HOME, or install openjdk-17-jdk-headless"
}

# java_command ARGUMENT...: the JVM that goes with the JDK above.
java_command() {
  local java=java
  [ -z "${JAVA_HOME:-}" ] || java=$JAVA_HOME/bin/java
  "$java" "$@"
}
