"""A study by retraining: every (method, percentage, seed) is a point, kept in a folder as soon as it is there."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from onnxpath.errors import InputError, JobError, all_of, unknown
from onnxpath.evaluation.baselines import BASELINES
from onnxpath.evaluation.explanation import RANKINGS, by_method, parse_method
from onnxpath.evaluation.layout import Layout
from onnxpath.evaluation.order import counts
from onnxpath.evaluation.roar.kept import read_arrays, read_point, read_table
from onnxpath.evaluation.roar.removal import REMOVED, means, removed
from onnxpath.evaluation.roar.result import CLEAN, Point, RoarResult, summed_up
from onnxpath.evaluation.subject import Subject
from onnxpath.evaluation.training.data import Examples
from onnxpath.evaluation.training.train import Recipe, Trainer
from onnxpath.files import save_npz, write_bytes
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array


@dataclass(frozen=True)
class Study:
    """What is removed and retrained.

    model: its graph; its weights are not used. train, test: examples; methods: names with options as `evaluate` takes
    them; folder: where everything is kept; baselines: names of BASELINES; percents: of the positions, ascending, above
    0; seeds: of the trainings; recipe; kind: "roar" | "kar"; ranking: how channels become one number, "signed" (the
    papers' code) | "absolute"; channels, output: as in `evaluate`; least: clean accuracy below which nothing counts.
    """

    model: Model
    train: Examples
    test: Examples
    methods: Sequence[str]
    folder: Path
    baselines: Sequence[str] = ("random", "edges")
    percents: Sequence[float] = (10, 30, 50, 70, 90)
    seeds: Sequence[int] = (0, 1, 2)
    recipe: Recipe = field(default_factory=Recipe)
    kind: str = "roar"
    ranking: str = "signed"
    channels: str | None = None
    output: str | None = None
    least: float = 0.9

    def check(self) -> None:
        """Raise what would stop the study, all at once, before work starts; JobError for a folder of another study."""
        all_of(
            *(partial(parse_method, label) for label in self.methods),
            *(partial(BASELINES.get, name) for name in self.baselines),
            lambda: counts(self.percents, self.layout.positions),
            lambda: self.trainer.check(self.train, self.layout),
            lambda: self.trainer.check(self.test, self.layout),
            self._check_choices,
        )
        # Every method once, on a network that knows nothing, so that none fails after hours.
        blank = self.trainer.trained_model(self.trainer.parameters.begin(0))
        all_of(*(partial(self._ranking, blank, label, self.train.x[:2], 0) for label in self.labels))
        self._same_study()

    def _check_choices(self) -> None:
        if self.kind not in REMOVED:
            raise unknown("kind of retraining", [self.kind], REMOVED)
        if self.ranking not in RANKINGS:
            raise unknown("ranking", [self.ranking], RANKINGS)
        wrong = ["name at least one method or baseline"] * (not self.methods and not self.baselines)
        wrong += ["name at least one seed"] * (not self.seeds)
        wrong += ["each seed counts once"] * (len(set(self.seeds)) != len(self.seeds))
        wrong += ["percentages are above 0, since the clean network is the one at 0"] * (0 in self.percents)
        if wrong:
            raise InputError("; ".join(wrong))

    @cached_property
    def layout(self) -> Layout:
        """Where positions and channels are in a row."""
        return Layout.of(self.train.x.shape[1:], self.channels)

    @cached_property
    def trainer(self) -> Trainer:
        """The programs, made once."""
        return Trainer(self.model, self.recipe, self.output)

    @property
    def labels(self) -> list[str]:
        """Methods and baselines, each once."""
        return list(dict.fromkeys([*self.methods, *self.baselines]))

    def keys(self) -> list[tuple[str, float, int]]:
        """Return (method, percentage, seed) of every point: clean ones first, then seed by seed."""
        clean = [(CLEAN, 0.0, seed) for seed in self.seeds]
        return clean + [(m, float(q), seed) for seed in self.seeds for m in self.labels for q in self.percents]

    def points(self) -> dict[tuple[str, float, int], Point]:
        """Return the points that are there already."""
        found = {key: self._file(*key) for key in self.keys()}
        return {key: read_point(file, key) for key, file in found.items() if file.is_file()}

    def run(self) -> Iterator[Point]:
        """Train what is missing and yield each point when it is kept. Raises as `check`."""
        self.check()
        there = self.points()
        for key in self.keys():
            if key not in there:
                yield self._point(*key)

    def result(self) -> RoarResult:
        """Return what is there so far, in a table."""
        about = {"kind": self.kind, "ranking": self.ranking, "kept": list(self.trainer.parameters.kept)}
        points = list(self.points().values())
        return summed_up(points, list(self.baselines), about | self.recipe.as_dict(), self.least)

    def _point(self, method: str, percent: float, seed: int) -> Point:
        train, test = self.train, self.test
        if method != CLEAN:
            rankings = self.rankings(method)
            values = means(train.x, self.layout)
            train, test = (
                part.with_x(removed(part.x, ranking, percent, self.kind, values, self.layout))
                for part, ranking in zip((train, test), rankings, strict=True)
            )
        began = time.perf_counter()
        trained = self.trainer.fit(train, seed, self.layout, self._file(method, percent, seed, "npz"))
        if method == CLEAN and seed == self.seeds[0]:
            save_npz(self._clean_file, {f"weight {k}": v for k, v in trained.weights.items()})
        accuracy = self.trainer.accuracy(self.trainer.state_of(trained.weights), test)
        point = Point(method, percent, seed, accuracy, trained.epoch, trained.losses[-1], time.perf_counter() - began)
        write_bytes(self._file(method, percent, seed), json.dumps(asdict(point)).encode())
        return point

    def rankings(self, method: str) -> tuple[Array, Array]:
        """Return what ranks the positions of the training and of the test rows, float32 [N, positions].

        The maps explain the class that the clean network of the first seed predicts; made once, then read from the
        folder.
        """
        file = self.folder / f"ranking-{_slug(method)}.npz"
        if not file.is_file():
            model = self.clean_model()
            parts = enumerate(self._parts.items())
            save_npz(file, {name: self._ranking(model, method, part.x, seed) for seed, (name, part) in parts})
        held = read_arrays(file, {name: (len(part.x), self.layout.positions) for name, part in self._parts.items()})
        return held["train"], held["test"]

    @property
    def _parts(self) -> dict[str, Examples]:
        return {"train": self.train, "test": self.test}

    def _ranking(self, model: Model, method: str, x: Array, seed: int) -> Array:
        subject = Subject.of(model, x, output=self.output, channels=self.channels, seed=seed)
        is_baseline = method in BASELINES.names()
        explanation = BASELINES.get(method).on(subject) if is_baseline else by_method(method, subject)
        return explanation.reduced(self.ranking).astype(np.float32)

    def clean_model(self) -> Model:
        """Return the network that is explained: trained on everything, with the first seed."""
        if not self._clean_file.is_file():
            self._point(CLEAN, 0.0, self.seeds[0])
        shapes = {f"weight {name}": value.shape for name, value in self.trainer.parameters.begin(0).items()}
        held = read_arrays(self._clean_file, shapes)
        return self.trainer.trained_model({name.removeprefix("weight "): values for name, values in held.items()})

    @property
    def _clean_file(self) -> Path:
        return self.folder / "clean.npz"

    def _file(self, method: str, percent: float, seed: int, kind: str = "json") -> Path:
        """Return where a point is kept; kind "npz": its checkpoint, while it is trained."""
        return self.folder / "points" / f"{_slug(method)}-{percent:.12g}-{seed}.{kind}"

    def _same_study(self) -> None:
        """Write down what the points depend on, or compare it with what is there."""
        given = {
            "model": _hash(self.model.graph.to_model().SerializeToString(deterministic=True)),
            **{f"{n} {k}": _hash(getattr(p, k)) for n, p in self._parts.items() for k in ("x", "labels")},
            "recipe": self.recipe.as_dict(),
            "kind": self.kind,
            "ranking": self.ranking,
            "channels": self.layout.channels,
            "output": self.output,
            "explained seed": self.seeds[0],
        }
        file = self.folder / "study.json"
        if not file.is_file():
            write_bytes(file, json.dumps(given, indent=1).encode())
            return
        there = read_table(file)
        if changed := [key for key, value in given.items() if there.get(key) != value]:
            raise JobError(
                f"'{self.folder}' holds a study with another {', '.join(changed)}; its points cannot be mixed with new "
                "ones, so choose another folder"
            )


def _slug(label: str) -> str:
    plain = re.sub(r"[^\w.-]+", "_", label)
    # Two labels may differ in nothing but what a file name cannot hold.
    return plain if plain == label else f"{plain}-{crc32(label.encode()):08x}"


def _hash(data: Any) -> str:
    return hashlib.sha256(data if isinstance(data, bytes) else np.ascontiguousarray(data).tobytes()).hexdigest()[:16]
