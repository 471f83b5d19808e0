# shellcheck shell=bash
# Sourced by test: Docker, and the image that the hosts of the container tests are made of. Needs examples/debian.sh.

# What src/test/java/io/netchannel/containers/HostImage.java puts the product on.
BASE_IMAGE=netchannel-host-base:bookworm
KEY_LABEL=io.netchannel.key
# On all that the tests make in Docker.
TEST_LABEL=io.netchannel.test
HOST_PACKAGES=src/test/containers/packages

DOCKERD_LOG=target/dockerd.log
DOCKERD_START_SECONDS=120
DOCKERD_STOP_SECONDS=60
dockerd_pid=

# containers_begin: a dockerd that answers, ours if there is none, with the base image in it.
containers_begin() {
  if docker_answers; then
    say 'Docker: one answers, it is used and left as it is'
  else
    # Whoever installed it; a second one beside it would not do.
    command -v dockerd >/dev/null || packages docker.io
    if docker_answers; then
      say 'Docker: the service of the package runs now and is left running'
    else
      start_dockerd
    fi
  fi
  remove_test_containers
  base_image
}

# containers_end: removes what the tests left, and ends a dockerd that we started. Its images stay for the next time.
containers_end() {
  if docker_answers; then
    remove_test_containers
    docker image prune -f --filter "label=$TEST_LABEL" >/dev/null || true
  fi
  [ -n "$dockerd_pid" ] || return 0
  say 'Docker: ending the one started here'
  kill "$dockerd_pid" 2>/dev/null || true
  local end=$((SECONDS + DOCKERD_STOP_SECONDS))
  while kill -0 "$dockerd_pid" 2>/dev/null; do
    if [ "$SECONDS" -ge "$end" ]; then
      echo "error: dockerd (process $dockerd_pid) did not end within $DOCKERD_STOP_SECONDS s" >&2
      return 1
    fi
    sleep 0.2
  done
  wait "$dockerd_pid" 2>/dev/null || true
  dockerd_pid=
}

docker_answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

start_dockerd() {
  [ "$(id -u)" -eq 0 ] || die 'no Docker answers; start it (systemctl start docker), or run this script as root'
  say 'Docker: none answers, starting dockerd'
  mkdir -p target
  # A session of its own: an interrupt at the terminal is for us, who end it in order.
  setsid dockerd --storage-driver overlay2 >"$DOCKERD_LOG" 2>&1 </dev/null &
  dockerd_pid=$!
  local end=$((SECONDS + DOCKERD_START_SECONDS))
  until docker_answers; do
    kill -0 "$dockerd_pid" 2>/dev/null || die "dockerd ended at once, see $DOCKERD_LOG: $(tail -n 3 "$DOCKERD_LOG")"
    [ "$SECONDS" -lt "$end" ] || die "dockerd did not answer within $DOCKERD_START_SECONDS s, see $DOCKERD_LOG"
    sleep 0.2
  done
}

# Of an earlier run that was killed.
remove_test_containers() {
  local found
  mapfile -t found < <(docker ps -aq --filter "label=$TEST_LABEL")
  [ ${#found[@]} -eq 0 ] || docker rm -f "${found[@]}" >/dev/null
  mapfile -t found < <(docker network ls -q --filter "label=$TEST_LABEL")
  [ ${#found[@]} -eq 0 ] || docker network rm "${found[@]}" >/dev/null
}

# base_image: Debian 12 with HOST_PACKAGES, from this machine's own package sources; no image registry is asked.
base_image() {
  local sources key old started=$SECONDS include
  sources=$(debian_sources)
  include=$(sed 's/#.*//' "$HOST_PACKAGES" | tr -s '[:space:]' '\n' | sed '/^$/d' | paste -sd,)
  # Its content is this function and the packages; a newer Debian is taken when one of them changes.
  key=$(printf '%s\n' "$include" "$(declare -f base_image)" | sha256sum | cut -c1-16)
  old=$(docker image inspect -f "{{index .Config.Labels \"$KEY_LABEL\"}}" "$BASE_IMAGE" 2>/dev/null || true)
  if [ "$old" = "$key" ]; then
    say "image $BASE_IMAGE: there"
    return
  fi
  packages mmdebstrap
  say "image $BASE_IMAGE: making it of Debian packages, about a minute and a half"
  [ -z "$old" ] || docker image rm -f "$BASE_IMAGE" >/dev/null
  # A directory that openjdk's postinst wants, although no manual is installed. "$1" is for mmdebstrap.
  # shellcheck disable=SC2016
  mmdebstrap --quiet --variant=minbase --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --essential-hook='mkdir -p "$1/usr/share/man/man1"' \
    --customize-hook='rm -rf "$1"/etc/apt/sources.list* "$1"/var/lib/apt/lists/*' \
    --include="$include" bookworm - - <"$sources" |
    docker import --change "LABEL $KEY_LABEL=$key" - "$BASE_IMAGE" >/dev/null
  say "image $BASE_IMAGE: made in $((SECONDS - started)) s"
}

# The Debian sources that this machine is configured with.
debian_sources() {
  local file
  for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
    if [ -s "$file" ]; then
      echo "$file"
      return
    fi
  done
  die 'expected the sources of Debian packages in /etc/apt/sources.list.d/debian.sources or /etc/apt/sources.list, found neither'
}
