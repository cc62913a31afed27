"""The same work in onnxpath, and in torch with Captum and Zennit: time, and peak memory above the level after loading.

Each engine works in a process of its own, repetitions are interleaved, the same threads; torch is what was best of
eager, channels_last and compiled. `python benchmarks/peers.py --help`; needs the extra `oracles`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import heading, machine
from peers_networks import CAM_LAYER, NETWORKS, export
from peers_worker import WORKS

VARIANTS = {"gradient": ("eager", "channels_last", "compiled")}
"""Hooks, which all the other works need, do not go into a compiled network."""
DEFAULT = ("eager", "channels_last")


class Worker:
    """An engine that waits in its own process."""

    def __init__(self, engine: str, work: str, name: str, path: Path, batch: int, threads: int) -> None:
        script = Path(__file__).with_name("peers_worker.py")
        command = [sys.executable, script, engine, work, name, path, batch, threads]
        self.engine = engine
        self.process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self) -> dict[str, float]:
        """Run once; return seconds and bytes."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        return json.loads(answer) if answer else {}

    def stop(self) -> None:
        """Let the process end."""
        self.process.communicate()


def measure(work: str, name: str, path: Path, batch: int, threads: int, repeat: int) -> dict[str, dict[str, float]]:
    """Return engine -> median seconds and peak bytes; an engine that cannot do the work is left out."""
    engines = ["onnxpath", *(f"torch-{v}" for v in VARIANTS.get(work, DEFAULT))]
    workers = [Worker(engine, work, name, path, batch, threads) for engine in engines]
    able = [w for w in workers if w.run()]
    runs = {w.engine: [] for w in able}
    for _ in range(repeat):
        for worker in able:
            runs[worker.engine].append(worker.run())
    for worker in workers:
        worker.stop()
    return {
        engine: {"seconds": statistics.median(r["seconds"] for r in done), "bytes": max(r["bytes"] for r in done)}
        for engine, done in runs.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), metavar="NAME", help=", ".join(NETWORKS))
    parser.add_argument("--works", nargs="*", default=list(WORKS), metavar="WORK", help=", ".join(WORKS))
    parser.add_argument("--batch", type=int, default=8, help="rows of a run (default 8)")
    parser.add_argument("--repeat", type=int, default=5, help="interleaved repetitions (default 5)")
    parser.add_argument("--threads", type=int, default=2, help="threads of every engine (default 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything, as it comes")
    asked = parser.parse_args()
    about = {**machine(), "threads": asked.threads, "batch": asked.batch, "repeat": asked.repeat}
    print(heading(about))
    heads = f"{'onnxpath':>10}{'torch':>10}  {'best torch':16}{'torch/ours':>11}{'memory ours':>13}{'torch':>9}"
    print(f"{'':14}{'':22}{heads}")
    found: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.networks:
            path = Path(folder) / f"{name}.onnx"
            export(name, path)
            for work in asked.works:
                if work == "grad-cam" and name not in CAM_LAYER:
                    continue
                row = found.setdefault(name, {})[work] = measure(
                    work, name, path, asked.batch, asked.threads, asked.repeat
                )
                print(line(name, work, row), flush=True)
                if asked.json:
                    asked.json.write_text(json.dumps({**about, "networks": found}, indent=1))
    for work in asked.works:
        ratios = [r for rows in found.values() if work in rows and (r := ratio(rows[work]))]
        if ratios:
            print(f"{work}: torch/ours median {statistics.median(ratios):.2f}, least {min(ratios):.2f}")


def best(row: dict[str, dict[str, float]]) -> str | None:
    """Return torch's fastest variant."""
    rivals = [engine for engine in row if engine != "onnxpath"]
    return min(rivals, key=lambda engine: row[engine]["seconds"]) if rivals else None


def ratio(row: dict[str, dict[str, float]]) -> float | None:
    """Return how many times longer torch's best takes."""
    rival = best(row)
    return row[rival]["seconds"] / row["onnxpath"]["seconds"] if rival and "onnxpath" in row else None


def line(name: str, work: str, row: dict[str, dict[str, float]]) -> str:
    """Return one line of the table."""
    rival = best(row)
    if rival is None or "onnxpath" not in row:
        return f"{name:14}{work:22}" + ", ".join(f"{e} {r['seconds'] * 1e3:.0f} ms" for e, r in row.items()) + " alone"
    ours, theirs = row["onnxpath"], row[rival]
    times = f"{ours['seconds'] * 1e3:>7.0f} ms{theirs['seconds'] * 1e3:>7.0f} ms  {rival:16}"
    memory = f"{ours['bytes'] / 2**20:>9.0f} MiB{theirs['bytes'] / 2**20:>5.0f} MiB"
    return f"{name:14}{work:22}{times}{theirs['seconds'] / ours['seconds']:>11.2f}{memory}"


if __name__ == "__main__":
    main()
