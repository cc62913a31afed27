"""How the networks were trained, and every training by itself."""

from onnxpath.report.evaluation.roar import Retrained
from onnxpath.report.template import render_template

WORDS = {
    "epochs": "epochs",
    "batch": "rows of a step",
    "optimiser": "optimiser",
    "rate": "learning rate",
    "momentum": "momentum",
    "weight_decay": "weight decay",
    "decay": "rate falls by a factor of",
    "decay_every": "it falls every (epochs)",
    "validation": "share for validation",
    "crop": "random crop, padding",
    "flip": "random flips",
}
"""Setting -> what it is called on the page; others stand under their own names."""

YES = {True: "yes", False: "no"}


def render(shown: Retrained) -> str:
    """The recipe in words, what was not trained, and a table of all trainings."""
    about = shown.result.about
    told = {key: value for key, value in about.items() if key not in ("kind", "ranking", "kept")}
    recipe = [(WORDS.get(key, key), YES[value] if isinstance(value, bool) else value) for key, value in told.items()]
    return render_template(
        "evaluation/roar_training.html", shown=shown, result=shown.result, about=about, recipe=recipe
    )
