"""Options as they are declared, checked, and read from NAME=VALUE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from onnxpath.attribution.methods import METHODS
from onnxpath.errors import InputError, OnnxPathError, UnknownName
from onnxpath.evaluation.metrics import METRICS
from onnxpath.options import KINDS, Options, read_pair, read_pairs
from onnxpath.pathway.selectors import SELECTORS
from onnxpath.pathway.selectors.registry import options_of

if TYPE_CHECKING:
    from fractions import Fraction


def function(
    model,
    *,
    on: bool = True,
    n: int = 3,
    rate: float = 0.5,
    cut: float | str = 0.9,
    layer: str | None = None,
    axis: int | None = None,
    start: Any = None,
) -> None:
    """Something that is given options."""


OPTIONS = Options("method 'some'", function)


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        *(("on=false", False), ("on=False", False), ("on=true", True), ("on=True", True)),
        *(("n=12", 12), ("n=1_000", 1000), ("rate=3", 3), ("rate=1e-3", 0.001), ("rate=.5", 0.5)),
        *(("cut=0.5", 0.5), ("cut=softmax-change<=0.15", "softmax-change<=0.15"), ("axis=null", None)),
        *(("axis=None", None), ("axis=-1", -1), ("layer=None", None), ("layer=conv1/Relu:0", "conv1/Relu:0")),
        *(("layer=123", "123"), ('layer="123"', "123"), ("layer=True", "True"), ("layer=a=b", "a=b")),
        *(("start=[0, [1, 2]]", (0, (1, 2))), ("start=(1, 8, 8)", (1, 8, 8)), ("start=1,8,8", (1, 8, 8))),
        *(('start={"x": [0.5]}', {"x": (0.5,)}), ("start={'x': None}", {"x": None}), ("start=blur", "blur")),
        *((" n = 7 ", 7), ("start=", "")),
    ],
)
def test_a_value_is_json_or_a_literal_or_text_as_the_option_takes_it(pair, value):
    ((found,),) = (given.values() for given in read_pairs([OPTIONS], [pair]))
    assert found == value and type(found) is type(value)


def test_a_value_is_an_array_file_where_it_is_nothing_else(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(6).reshape(2, 3))
    ((found,),) = (given.values() for given in read_pairs([OPTIONS], [f"start={tmp_path / 'a.npy'}"]))
    assert np.array_equal(found, [[0, 1, 2], [3, 4, 5]])
    with pytest.raises(InputError, match=r"option 'start': array file 'no.npy' cannot be read: .*No such file"):
        read_pairs([OPTIONS], ["start=no.npy"])
    (tmp_path / "b.npy").write_text("nothing")
    with pytest.raises(InputError, match="cannot be read"):
        read_pair(f"x={tmp_path / 'b.npy'}")


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ("on=no", "option 'on' of method 'some' is true or false, not 'no'"),
        ("on=1", "option 'on' of method 'some' is true or false, not '1'"),
        ("n=many", "option 'n' of method 'some' is a whole number, not 'many'"),
        ("n=2.5", "option 'n' of method 'some' is a whole number, not '2.5'"),
        ("n=True", "option 'n' of method 'some' is a whole number, not 'True'"),
        ("n=(1, 2)", "option 'n' of method 'some' is a whole number, not"),
        ("rate=half", "option 'rate' of method 'some' is a number, not 'half'"),
        ("axis=first", "option 'axis' of method 'some' is a whole number or none, not 'first'"),
        ("n", "'n' is not NAME=VALUE"),
        ("=3", "'=3' is not NAME=VALUE"),
        ("rat=3", "no option of method 'some' named 'rat'; did you mean 'rate'?"),
        ("n=" + "[" * 100_000, "is a whole number, not '[[["),
    ],
)
def test_a_value_of_another_kind_names_the_option_the_value_and_what_is_allowed(pair, says):
    with pytest.raises(OnnxPathError) as caught:
        read_pairs([OPTIONS], [pair])
    assert says in str(caught.value) and len(str(caught.value)) < 300


def test_a_seed_is_not_negative():
    def drawn(*, seed: int = 0) -> None: ...

    options = Options("method 'drawn'", drawn)
    assert read_pairs([options], ["seed=5"]) == [{"seed": 5}]
    for check in (lambda: read_pairs([options], ["seed=-1"]), lambda: options.check({"seed": -1})):
        with pytest.raises(InputError, match=r"option 'seed' of method 'drawn' is a whole number from 0, not '?-1"):
            check()


def test_all_wrong_pairs_at_once():
    with pytest.raises(OnnxPathError) as caught:
        read_pairs([OPTIONS], ["on=no", "n", "rat=1", "start=no.npy"])
    assert all(part in str(caught.value) for part in ("'on'", "not NAME=VALUE", "'rat'", "no.npy"))


def test_values_from_python_are_checked_too():
    OPTIONS.check({"on": np.bool_(True), "n": np.int64(3), "rate": np.float32(0.5), "cut": "rule", "start": object()})
    with pytest.raises(OnnxPathError) as caught:
        OPTIONS.check({"on": "False", "n": 2.0, "rate": None, "nn": 1})
    lines = str(caught.value).splitlines()
    assert "no option of method 'some' named 'nn'; did you mean 'n'?" in lines
    assert "option 'on' of method 'some' is true or false, not 'False'" in lines
    assert "option 'rate' of method 'some' is a number, not None" in lines
    assert "option 'n' of method 'some' is a whole number, not 2.0" in lines


def test_each_entry_gets_what_it_has_and_what_none_lists_is_passed_on():
    def other(*, n: str = "", base: str = "", **further: Any) -> None: ...

    both = [OPTIONS, Options("method 'other'", other)]
    assert read_pairs(both, ["n=4", "rate=1", "seed=5"]) == [{"n": 4, "rate": 1}, {"n": "4", "seed": 5}]
    with pytest.raises(UnknownName, match="no option of method 'some' or 'more' named 'seed'"):
        read_pairs([OPTIONS, Options("method 'more'", function)], ["seed=5"])


def test_annotations_that_cannot_be_read_check_nothing():
    def late(*, n: int = 0, part: Fraction | None = None) -> None: ...

    assert read_pairs([Options("method 'late'", late)], ["n=many"]) == [{"n": "many"}]


@pytest.mark.parametrize("entry", [*map(METHODS.get, METHODS.names()), *map(METRICS.get, METRICS.names())])
def test_defaults_of_what_is_registered_fit_their_annotations(entry):
    Options(entry.name, entry.function).check(entry.defaults)


@pytest.mark.parametrize("name", SELECTORS.names())
def test_defaults_of_selectors_fit_their_annotations(name):
    options_of(name).check(options_of(name).defaults)


def test_every_kind_has_words_and_knows_its_own():
    own = {bool: True, int: 1, float: 0.5, str: "a", type(None): None}
    for annotation, (words, fits) in KINDS.items():
        assert words and fits(own[annotation])
    assert not KINDS[int][1](True) and not KINDS[float][1](False) and not KINDS[bool][1](1)


def test_what_is_passed_on_is_checked_before_any_work():
    with pytest.raises(
        UnknownName, match="of method 'pathway-gradient' or selector 'dgr' named 'n_step'; did you mean"
    ):
        METHODS.get("pathway-gradient").checked({"selector": "dgr", "n_step": 3})
    with pytest.raises(InputError, match="option 'n_steps' of selector 'dgr' is a whole number, not 'few'"):
        METHODS.get("pathway-gradient").checked({"selector": "dgr", "n_steps": "few"})
    with pytest.raises(InputError, match="option 'published' of method 'rap' is true or false, not 'False'"):
        METHODS.get("smoothgrad").checked({"base": "rap", "published": "False"})
    with pytest.raises(UnknownName, match="of method 'pathway-gradient' or selector 'random' named 'sed'; did you"):
        METHODS.get("vargrad").checked({"base": "pathway-gradient", "selector": "random", "sed": 1})
