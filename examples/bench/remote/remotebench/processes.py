"""Processes that are started, awaited and ended together."""

import argparse
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable

START_SECONDS = 300  # a JVM on a busy machine
END_SECONDS = 40    # a client flushes first


class BenchError(Exception):
    """What went wrong, in words for who runs this."""


def say(text: str) -> None:
    print(f"== {text}", file=sys.stderr, flush=True)


class Processes:
    """Each with a log of its own; all of them end with the context, the last one first."""

    def __init__(self, logs: Path):
        self.logs = logs
        self.started: list[tuple[str, subprocess.Popen]] = []

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: object) -> None:
        while self.started:
            name, process = self.started.pop()
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                say(f"{name} did not end on SIGTERM within {END_SECONDS} s: killed")
                process.kill()
                process.wait()

    def start(self, name: str, command: list[object], ready: Callable[[], bool],
              environment: dict[str, str] | None = None) -> subprocess.Popen:
        """Returns when `ready` says so."""
        log = self.logs / f"{name}.log"
        with open(log, "wb") as out:
            process = subprocess.Popen([str(each) for each in command], stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=subprocess.STDOUT, env=environment)
        self.started.append((name, process))
        bound = time.monotonic() + START_SECONDS
        while not ready():
            if process.poll() is not None:
                raise BenchError(f"{name} ended with status {process.returncode}, expected it to serve; "
                                 f"its last words:\n{tail(log)}")
            if time.monotonic() > bound:
                raise BenchError(f"{name} does not serve after {START_SECONDS} s; {log} ends with:\n{tail(log)}")
            time.sleep(0.02)
        return process


def main(parse: Callable[[], argparse.Namespace], bench: Callable[[argparse.Namespace], None]) -> int:
    """The exit status of a bench: it ends what it started, whatever ends it."""
    options = parse()
    # Both end what was started. A shell starts background jobs with SIGINT ignored; not this one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        bench(options)
        return 0
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def first_line(*command: str) -> str:
    """Of what it says of itself, its version for example."""
    done = subprocess.run(command, capture_output=True, text=True)
    return (done.stdout or done.stderr).splitlines()[0]


def tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-8:])


def run(command: list[object], what: str) -> str:
    """Its output; an error with its last words when it fails."""
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        words = "\n".join((done.stderr or done.stdout).splitlines()[-8:])
        raise BenchError(f"{what} failed with status {done.returncode}: {' '.join(map(str, command))}\n{words}")
    return done.stdout
