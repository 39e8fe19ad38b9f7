"""A program that saves an image and is killed meanwhile; test_crash.py starts it and asks.

One process loads the package, then answers each line of its input by a fork that does the work
and dies: ``save STATE CALL`` and ``load CALL`` kill themselves before the given call of the
system that changes something (a write is cut in the middle), ``loop STATE SECONDS`` saves one
state after the other until it is killed from outside, so long after it first begins to write.
The answer to ``save`` and ``load`` is whether the work was done before, that to ``loop`` the last
state that was saved for certain.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from typing import Any

from napari_bloodflow import AcqImage
from napari_bloodflow.analysis.base import AnalysisResult

CHANGING = ("chmod", "close", "fsync", "open", "replace", "unlink", "write")


def die_at(number: int) -> None:
    """Kill this process before the given call."""
    left = number

    def wrapped(name: str, real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                if name == "write":
                    real(args[0], bytes(args[1])[: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            # Only a machine that loses its power loses what is not synced.
            return None if name == "fsync" else real(*args, **kwargs)

        return call

    for name in CHANGING:
        setattr(os, name, wrapped(name, getattr(os, name)))


def put_state(acq: AcqImage, number: int) -> None:
    """Write the number into the JSON and every table."""
    acq.experiment_metadata.species = f"mouse {number}"
    for analysis in acq.analysis_set:
        summary, table = analysis.result.summary, analysis.result.table
        if table is not None:
            table = table.assign(extra=float(number))
            analysis.set_result(AnalysisResult({**summary, "extra": number}, table))


def save(path: str, state: int, call: int) -> None:
    acq = AcqImage(path)
    put_state(acq, state)
    die_at(call)
    acq.save()


def load(path: str, call: int) -> None:
    die_at(call)
    AcqImage(path)


def loop(path: str, state: int, pipe: int) -> None:
    acq = AcqImage(path)
    real_open = os.open

    def opened(name: Any, *args: Any, **kwargs: Any) -> int:
        if str(name).endswith("-lock"):
            os.write(pipe, b"begun\n")
        return real_open(name, *args, **kwargs)

    os.open = opened  # type: ignore[assignment]
    while True:
        put_state(acq, state)
        acq.save()
        os.write(pipe, b"saved\n")
        state += 1


def forked(action: Any, *args: Any) -> int:
    child = os.fork()
    if child == 0:
        try:
            action(*args)
            os._exit(0)
        finally:
            os._exit(1)
    return child


def is_done(child: int) -> str:
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {0: "done", -signal.SIGKILL: "killed"}.get(code, f"failed with {code}")


def kill_loop(path: str, state: int, seconds: float) -> str:
    reading, writing = os.pipe()
    child = forked(loop, path, state, writing)
    os.close(writing)
    text = b""
    while not text:
        text = os.read(reading, 99)
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([reading], [], [], left)[0]:
            text += os.read(reading, 99)
    os.kill(child, signal.SIGKILL)
    outcome = is_done(child)
    while more := os.read(reading, 99):
        text += more
    os.close(reading)
    return str(state - 1 + text.count(b"saved")) if outcome == "killed" else outcome


def main() -> None:
    path = sys.argv[1]
    AcqImage(path)  # everything is imported before the first fork
    for line in sys.stdin:
        command, *values = line.split()
        if command == "save":
            answer = is_done(forked(save, path, *map(int, values)))
        elif command == "load":
            answer = is_done(forked(load, path, *map(int, values)))
        else:
            answer = kill_loop(path, int(values[0]), float(values[1]))
        print(answer, flush=True)


if __name__ == "__main__":
    main()
