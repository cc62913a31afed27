"""What explanations cost in plain forwards.

(forward + input gradient) / forward, and (NeuronMCT + selection + pathway gradient) / forward, in ONNX Runtime. Every
program runs in a process of its own; repetitions are interleaved. `python benchmarks/gradient.py --help`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import onnx
from machine import heading, machine
from networks import BUILDERS
from worker import PROGRAMS

ROOT = Path(__file__).resolve().parents[1]
REAL = {
    "squeezenet1_1": "squeezenet1_1.onnx",
    "mobilenet_v2": "mobilenet_v2_1.0_224.onnx",
    "resnet20": "resnet20_cifar10.onnx",
}
WARM_UP = 2


class Worker:
    """A program that waits in its own process."""

    def __init__(self, program: str, path: Path, batch: int, threads: int) -> None:
        command = [sys.executable, str(ROOT / "benchmarks" / "worker.py"), program, str(path), str(batch), str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self) -> float:
        """Run once; return milliseconds."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"the program {self.process.args} ended early; its message is above")
        return float(answer) * 1e3

    def stop(self) -> None:
        """Let the process end."""
        self.process.communicate()


def measure(path: Path, batch: int, threads: int, repeat: int) -> dict[str, list[float]]:
    """Return milliseconds of every repetition by program."""
    workers = {}
    for program in PROGRAMS:
        workers[program] = Worker(program, path, batch, threads)
        # Opened one after the other: a session that is being made takes both cores.
        for _ in range(WARM_UP):
            workers[program].run()
    times: dict[str, list[float]] = {program: [] for program in PROGRAMS}
    for _ in range(repeat):
        for program, worker in workers.items():
            times[program].append(worker.run())
    for worker in workers.values():
        worker.stop()
    return times


def summary(times: dict[str, list[float]]) -> dict[str, float]:
    """Return medians in ms, and ratios to the plain forward of medians and of the shortest times."""
    middle = {program: statistics.median(values) for program, values in times.items()}
    found = {f"{program}_ms": value for program, value in middle.items()}
    for program in PROGRAMS[1:]:
        found[f"{program}_ratio"] = middle[program] / middle["forward"]
        found[f"{program}_ratio_of_shortest"] = min(times[program]) / min(times["forward"])
    return found


def models(names: list[str], folder: Path) -> list[tuple[str, Path]]:
    """Return name and file of each model; those with random weights are written to `folder` when their turn comes."""
    data = Path(os.environ.get("ONNXPATH_DATA", ROOT.parent / "shared" / "data")) / "models"
    known = [*REAL, *BUILDERS]
    if wrong := [name for name in names if name not in known]:
        sys.exit(f"unknown model {', '.join(wrong)}; known: {', '.join(known)}")
    chosen = []
    for name in names or known:
        if name in BUILDERS:
            chosen.append((name, folder / f"{name}.onnx"))
        elif (path := data / REAL[name]).is_file():
            chosen.append((name, path))
        else:
            print(f"{name}: left out, '{REAL[name]}' is not in the folder that ONNXPATH_DATA names", file=sys.stderr)
    return chosen


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="*", default=[], metavar="NAME", help=f"of {', '.join([*REAL, *BUILDERS])}")
    parser.add_argument("--batch", type=int, default=8, help="rows of a run (default 8)")
    parser.add_argument("--repeat", type=int, default=21, help="interleaved repetitions (default 21)")
    parser.add_argument("--threads", type=int, default=2, help="threads of every session (default 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every time")
    asked = parser.parse_args()
    about = {**machine(), "threads": asked.threads, "batch": asked.batch, "repeat": asked.repeat}
    print(heading(about))
    print(f"{'':14}{'forward':>10}{'gradient':>10}{'pathway':>10}   {'gradient/forward':>18}{'pathway/forward':>18}")
    print(f"{'':14}{'ms':>10}{'ms':>10}{'ms':>10}   {'median (shortest)':>18}{'median (shortest)':>18}")
    rows, times = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name, path in models(asked.models, Path(folder)):
            if name in BUILDERS:
                onnx.save(BUILDERS[name](), path)
            times[name] = measure(path, asked.batch, asked.threads, asked.repeat)
            row = rows[name] = summary(times[name])
            ratios = "".join(f"{row[f'{p}_ratio']:>10.2f} ({row[f'{p}_ratio_of_shortest']:.2f})" for p in PROGRAMS[1:])
            print(f"{name:14}" + "".join(f"{row[f'{p}_ms']:>10.1f}" for p in PROGRAMS) + "   " + ratios, flush=True)
    if rows:
        middle = {p: statistics.median(r[f"{p}_ratio"] for r in rows.values()) for p in PROGRAMS[1:]}
        largest = {p: max(r[f"{p}_ratio"] for r in rows.values()) for p in PROGRAMS[1:]}
        for p in PROGRAMS[1:]:
            print(f"{p} / forward: median {middle[p]:.2f}, largest {largest[p]:.2f}")
    if asked.json:
        asked.json.write_text(json.dumps({**about, "models": rows, "times_ms": times}, indent=1))


if __name__ == "__main__":
    main()
