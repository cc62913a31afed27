"""Pages of analyses made up for the tests: none, one, many selectors and inputs."""

from onnxpath.pathway.analyses.named import ANALYSES
from onnxpath.report.data import Failure
from onnxpath.report.study import Study
from tests.pathway.analyses.made import drawn

from . import samples

LAYERS = tuple((f"layer{i}", (5, 4)) for i in range(9))


def study(selectors=3, inputs=6, analyses=("layers", "overlap", "classes"), name="x", shapes=LAYERS):
    """A study of drawn pathways."""
    names = [f"{name}{k}" for k in range(selectors)]
    found = {
        n: [drawn(100 * k + i, 0.1 + 0.1 * k, shapes, target=i % 3) for i in range(inputs)] for k, n in enumerate(names)
    }
    results = {a: ANALYSES.get(a)(found) for a in analyses}
    return Study("0.0", f"{inputs} inputs", samples.model(), samples.run(), names, inputs, results)


def unusual():
    """Names that are HTML, more layers than bars, failures, warnings."""
    made = study(2, 4, name=samples.NASTY, shapes=tuple((f"{samples.NASTY}{i}", (3,)) for i in range(150)))
    made.classes = [samples.NASTY] * 3
    made.files = [f"classes/{samples.NASTY}/{i}.npz" for i in range(20)]
    made.failures = [Failure(samples.NASTY, samples.NASTY)]
    made.warnings = [samples.NASTY]
    return made


CASES = {
    "none": lambda: study(analyses=()),
    "one": lambda: study(1, 1),
    "many": study,
    "overlap alone": lambda: study(analyses=("overlap",)),
    "unusual": unusual,
}
