"""The same work in onnxpath, and in torch with Captum and Zennit: time, rate, and memory above the level after loading.

Each engine works in a process of its own, repetitions are interleaved, the same threads; torch is the fastest of its
variants. Rates stand beside the fraction of the same engine's plain forward rate. `python benchmarks/peers.py --help`;
needs the extra `oracles`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import heading, machine
from peers_networks import CAM_LAYER, NETWORKS, export
from peers_worker import WORKS

COMPILED = ("gradient", "integrated-gradients")
"""Hooks, which all the other works need, do not go into a compiled network."""
OURS = "onnxpath"
HEADS = (
    f"{'':14}{'':22}{OURS:>10}{'torch':>10}  {'best torch':20}{'torch/ours':>10}"
    f"{'rows/s':>9}{'torch':>8}{'of forward':>12}{'torch':>7}{'MiB':>8}{'torch':>7}"
)


class Worker:
    """An engine that waits in its own process."""

    def __init__(self, engine: str, work: str, name: str, path: Path, asked: argparse.Namespace) -> None:
        script = Path(__file__).with_name("peers_worker.py")
        settings = json.dumps({key: getattr(asked, key) for key in ("threads", "provider", "precision")})
        command = [sys.executable, script, engine, work, name, path, asked.batch, settings]
        self.engine = engine
        self.process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, word: str = "run") -> dict[str, float]:
        """Run once; return seconds and bytes, nothing where the process ended. word: "first" | "run" | "forward"."""
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(f"{word}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return {}
        answer = self.process.stdout.readline()
        return json.loads(answer) if answer else {}

    def stop(self) -> None:
        """Let the process end."""
        self.process.stdin.close()
        self.process.wait()


def measure(work: str, name: str, path: Path, asked: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Return engine -> median seconds and peak bytes; an engine that cannot do the work is left out."""
    variants = ["eager", "channels_last", *(["compiled"] if work in COMPILED else [])]
    workers, able = [], []
    # Opened one after the other: what is being loaded or compiled takes all cores.
    for engine in (OURS, *(f"torch-{variant}" for variant in variants)):
        workers.append(worker := Worker(engine, work, name, path, asked))
        if worker.run("first"):
            able.append(worker)
    runs = _rounds(able, "run", asked.repeat)
    # After the runs, whose peak of memory the program of the plain forward pass would raise.
    _rounds(able, "forward", 1)
    plain = _rounds(able, "forward", asked.repeat)
    for worker in workers:
        worker.stop()
    return {
        engine: {
            "seconds": statistics.median(r[asked.clock] for r in done),
            "shortest": min(r[asked.clock] for r in done),
            "forward": statistics.median(r[asked.clock] for r in plain[engine]),
            "bytes": max(r["bytes"] for r in done),
        }
        for engine, done in runs.items()
    }


def _rounds(workers: list[Worker], word: str, repeat: int) -> dict[str, list[dict[str, float]]]:
    runs: dict[str, list[dict[str, float]]] = {worker.engine: [] for worker in workers}
    for _ in range(repeat):
        for worker in workers:
            runs[worker.engine].append(worker.run(word))
    return runs


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), metavar="NAME", help=", ".join(NETWORKS))
    parser.add_argument("--works", nargs="*", default=list(WORKS), metavar="WORK", help=", ".join(WORKS))
    parser.add_argument("--batch", type=int, default=8, help="rows of a run (default 8)")
    parser.add_argument("--repeat", type=int, default=5, help="interleaved repetitions (default 5)")
    parser.add_argument("--threads", type=int, default=2, help="threads of every engine (default 2)")
    parser.add_argument("--provider", choices=["cpu", "cuda"], default="cpu", help="where both engines run")
    parser.add_argument("--precision", choices=["float32", "tf32"], default="float32", help="of both engines on CUDA")
    parser.add_argument(
        "--clock",
        choices=["wall", "cpu"],
        default="wall",
        help="cpu: processor time of the process, for one thread on a machine that is busy with other work",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything, as it comes")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    asked = arguments()
    settings = {key: getattr(asked, key) for key in ("threads", "batch", "repeat", "provider", "precision", "clock")}
    about = {**machine(), **versions(asked.provider), **settings}
    print(heading(about))
    print(HEADS)
    found: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.networks:
            path = Path(folder) / f"{name}.onnx"
            export(name, path)
            rows = found.setdefault(name, {})
            for work in asked.works:
                if work == "grad-cam" and name not in CAM_LAYER:
                    continue
                rows[work] = measure(work, name, path, asked)
                print(line(name, work, rows[work], asked.batch), flush=True)
                if asked.json:
                    asked.json.write_text(json.dumps({**about, "networks": found}, indent=1))
    for work in asked.works:
        ratios = [r for rows in found.values() if work in rows and (r := ratio(rows[work]))]
        if ratios:
            print(f"{work}: torch/ours median {statistics.median(ratios):.2f}, least {min(ratios):.2f}")


def versions(provider: str) -> dict[str, Any]:
    """Return versions of the peers, and the chip where it is not the CPU."""
    from importlib.metadata import version

    import torch

    chip = {"device": torch.cuda.get_device_name(), "cuda": torch.version.cuda} if provider == "cuda" else {}
    return {"torch": torch.__version__, **{name: version(name) for name in ("captum", "zennit")}, **chip}


def best(row: dict[str, dict[str, float]]) -> str | None:
    """Return torch's fastest variant."""
    rivals = [engine for engine in row if engine != OURS]
    return min(rivals, key=lambda engine: row[engine]["seconds"]) if rivals else None


def ratio(row: dict[str, dict[str, float]]) -> float | None:
    """Return how many times longer torch's best takes."""
    rival = best(row)
    return row[rival]["seconds"] / row[OURS]["seconds"] if rival and OURS in row else None


def line(name: str, work: str, row: dict[str, dict[str, float]], batch: int) -> str:
    """Return one line of the table."""
    rival = best(row)
    if rival is None or OURS not in row:
        return f"{name:14}{work:22}" + ", ".join(f"{e} {r['seconds'] * 1e3:.0f} ms" for e, r in row.items()) + " alone"
    ours, theirs = row[OURS]["seconds"], row[rival]["seconds"]
    fractions = row[OURS]["forward"] / ours, row[rival]["forward"] / theirs
    held = [row[engine]["bytes"] / 2**20 for engine in (OURS, rival)]
    return (
        f"{name:14}{work:22}{ours * 1e3:>7.0f} ms{theirs * 1e3:>7.0f} ms  {rival:20}{theirs / ours:>10.2f}"
        f"{batch / ours:>9.1f}{batch / theirs:>8.1f}{fractions[0]:>12.2f}{fractions[1]:>7.2f}"
        f"{held[0]:>8.0f}{held[1]:>7.0f}"
    )


if __name__ == "__main__":
    main()
