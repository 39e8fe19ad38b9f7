"""Mutated TIFF files: none crashes or hangs the program, opens another file, or eats memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = Path(__file__).with_name("fuzz_child.py")


def run(folder: Path, seed: int, count: int) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, str(CHILD), str(folder), str(seed), str(count)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    outcomes, failures, foreign, grown_mb = json.loads(done.stdout.splitlines()[-1])
    assert failures == []
    assert foreign == []
    assert grown_mb < 500
    return dict(outcomes)


@pytest.mark.skipif(sys.platform != "linux", reason="limits and measures memory as Linux does")
@pytest.mark.parametrize(
    ("seed", "count"),
    [(0, 200), *(pytest.param(seed, 5000, marks=pytest.mark.slow) for seed in range(1, 5))],
)
def test_mutated_files_are_read_or_refused(tmp_path: Path, seed: int, count: int) -> None:
    outcomes = run(tmp_path, seed, count)
    assert sum(outcomes.values()) == count
    assert outcomes["read"] > count / 20
    assert outcomes["refused"] > count / 20
