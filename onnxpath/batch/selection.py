"""How the pathway of each input is selected: what a user sets for it, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from onnxpath.errors import all_of
from onnxpath.options import read_pairs
from onnxpath.pathway.critical import critical_pathway
from onnxpath.pathway.pathway import Pathway
from onnxpath.pathway.selectors.registry import options_of
from onnxpath.pathway.sparsity import check_sparsity
from onnxpath.runtime.model import Model


@dataclass(frozen=True)
class Selection:
    """A selector with its settings, as in `critical_pathway`."""

    selector: str
    sparsity: Any = 0.9
    scope: str = "global"
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, selector: str, sparsity: Any, scope: str, seed: int) -> Selection:
        """Check what a user set; seed: of selectors that draw. Raises UnknownName, InputError, all problems at once."""
        return cls(selector, sparsity, scope, pathway_options(selector, sparsity, scope, seed))

    def pathways(self, model: Model, x: Any, target: Any, output: str | None) -> list[Pathway]:
        """Return the pathway of each row. Raises as `critical_pathway`."""
        return critical_pathway(model, x, target, self.selector, self.sparsity, self.scope, output, **self.options)


def pathway_options(selector: str, sparsity: float | str, scope: str, seed: int) -> dict[str, Any]:
    """Check what a user set for a pathway and return the selector's options: the seed, where it draws.

    Raises UnknownName, InputError, all problems at once.
    """
    options, _ = all_of(lambda: options_of(selector), lambda: check_sparsity(sparsity, scope, selector))
    return {"seed": seed} if "seed" in options.defaults else {}


def selector_options(selectors: Sequence[str], pairs: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return for each selector the given options that it has, NAME=VALUE each; one has to have each of them.

    Raises InputError, UnknownName, all problems at once.
    """
    found = read_pairs([options_of(name) for name in selectors], pairs)
    return dict(zip(selectors, found, strict=True))
