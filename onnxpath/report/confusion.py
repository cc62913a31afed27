"""Which classes are taken for which, and how sure the model is when it is right: counts over all labelled inputs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from onnxpath.report.spread import wilson

CONFIDENCE_BINS = 10


@dataclass(frozen=True)
class ClassAccuracy:
    """One class: inputs with this label, right answers, their fraction with its 95 % interval, inputs predicted as it.

    accuracy, low, high: None of a class that is predicted and no label.
    """

    index: int
    name: str
    inputs: int
    correct: int
    accuracy: float | None
    low: float | None
    high: float | None
    predicted: int


@dataclass(frozen=True)
class Confused:
    """Inputs of one label that were taken for another class; share: of the inputs with that label."""

    label: int
    label_name: str
    predicted: int
    predicted_name: str
    inputs: int
    share: float


@dataclass(frozen=True)
class Reliability:
    """Inputs whose confidence is in [low, high): how sure the model was on average, how often it was right.

    accuracy_low, accuracy_high: its 95 % interval; means are None of a bin without inputs.
    """

    low: float
    high: float
    inputs: int
    confidence: float | None
    accuracy: float | None
    accuracy_low: float
    accuracy_high: float


class Confusion:
    """Counts of (label, prediction): one number for each pair that occurs, however many inputs there are."""

    def __init__(self) -> None:
        self.pairs: Counter[tuple[int, int]] = Counter()
        self.names: dict[int, str] = {}

    def add(self, label: int, label_name: str, predicted: int, predicted_name: str) -> None:
        """Count one more labelled input."""
        self.pairs[label, predicted] += 1
        self.names.setdefault(label, label_name)
        self.names.setdefault(predicted, predicted_name)

    @property
    def inputs(self) -> int:
        """Inputs that were counted."""
        return self.pairs.total()

    @property
    def correct(self) -> int:
        """Those whose label was predicted."""
        return sum(n for (label, predicted), n in self.pairs.items() if label == predicted)

    def classes(self) -> list[ClassAccuracy]:
        """Return all classes that are a label or were predicted, in order of their index."""
        labels, predicted = self._counted(0), self._counted(1)
        return [self._class(index, labels[index], predicted[index]) for index in sorted(self.names)]

    def confused(self, most: int) -> list[Confused]:
        """Return the pairs of classes that are confused most often, most inputs first."""
        labels = self._counted(0)
        wrong = sorted((-n, label, said) for (label, said), n in self.pairs.items() if label != said)
        return [
            Confused(label, self.names[label], said, self.names[said], -n, -n / labels[label])
            for n, label, said in wrong[:most]
        ]

    def _counted(self, side: int) -> Counter[int]:
        """Return the inputs by their labels (side 0), or by what was predicted (1)."""
        found = Counter[int]()
        for pair, n in self.pairs.items():
            found[pair[side]] += n
        return found

    def _class(self, index: int, inputs: int, predicted: int) -> ClassAccuracy:
        right = self.pairs[index, index]
        low, high = wilson(right, inputs) if inputs else (None, None)
        share = right / inputs if inputs else None
        return ClassAccuracy(index, self.names[index], inputs, right, share, low, high, predicted)


class Calibration:
    """How often the model is right when it is so sure: counts in equal bins of its confidence, softmax 0 to 1."""

    def __init__(self) -> None:
        self._inputs = [0] * CONFIDENCE_BINS
        self._right = [0] * CONFIDENCE_BINS
        self._sure = [0.0] * CONFIDENCE_BINS

    def add(self, confidence: float, right: bool) -> None:
        """Count one more labelled input."""
        place = max(0, min(CONFIDENCE_BINS - 1, int(confidence * CONFIDENCE_BINS)))
        self._inputs[place] += 1
        self._right[place] += right
        self._sure[place] += confidence

    def bins(self) -> list[Reliability]:
        """Return all bins in order, or none where nothing was counted."""
        rows = zip(self._inputs, self._right, self._sure, strict=True)
        made = [
            Reliability(
                place / CONFIDENCE_BINS,
                (place + 1) / CONFIDENCE_BINS,
                n,
                sure / n if n else None,
                right / n if n else None,
                *wilson(right, n),
            )
            for place, (n, right, sure) in enumerate(rows)
        ]
        return made if any(self._inputs) else []

    @property
    def error(self) -> float | None:
        """Expected calibration error: mean distance of confidence and accuracy of a bin, weighted by inputs.

        Guo et al. (ICML 2017), eq. 3, with CONFIDENCE_BINS bins.
        """
        total = sum(self._inputs)
        apart = sum(abs(right - sure) for right, sure in zip(self._right, self._sure, strict=True))
        return apart / total if total else None

    @property
    def excess(self) -> float | None:
        """Mean confidence minus accuracy: above zero the model is surer than it should be."""
        total = sum(self._inputs)
        return (sum(self._sure) - sum(self._right)) / total if total else None
