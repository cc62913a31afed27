"""Overlaps, rates and class pathways against sets counted one by one."""

import dataclasses
import json
import tracemalloc
from itertools import combinations

import numpy as np
import pytest

import onnxpath
from onnxpath.errors import InputError
from onnxpath.pathway.analyses.classes import class_pathways, image_overlap
from onnxpath.pathway.analyses.named import ANALYSES
from onnxpath.pathway.analyses.overlap import independent, jaccard
from onnxpath.pathway.analyses.packed import packed
from onnxpath.pathway.pathway import Pathway
from tests.models import sample, sample_images
from tests.pathway.analyses.made import drawn, neurons, pathway

FOUND = {name: [drawn(100 * k + row, density=0.2 + 0.1 * k) for row in range(6)] for k, name in enumerate("xyz")}


def index(one, other):
    return len(one & other) / len(one | other)


def test_overlap_is_that_of_sets():
    result = ANALYSES.get("overlap")(FOUND)
    assert result.selectors == ("x", "y", "z") and result.layers == ("a", "b") and result.inputs == 6
    for one, other in combinations("xyz", 2):
        pair = result.pair(other, one)
        rows = list(zip(FOUND[one], FOUND[other], strict=True))
        values = [index(neurons(a.masks), neurons(b.masks)) for a, b in rows]
        assert pair.pooled.jaccard == pytest.approx(np.mean(values))
        assert pair.pooled.deviation == pytest.approx(np.std(values))
        for layer, found in zip(result.layers, pair.by_layer, strict=True):
            sets = [(neurons({layer: a.masks[layer]}), neurons({layer: b.masks[layer]})) for a, b in rows]
            assert found.jaccard == pytest.approx(np.mean([index(a, b) for a, b in sets if a | b]))


def test_independence_is_what_draws_show():
    assert independent(0.1, 0.1) == pytest.approx(0.1 / 1.9) and independent(0.0, 0.0) is None
    shapes = (("a", (200, 100)),)
    found = {
        "one": [drawn(seed, 0.1, shapes) for seed in range(20)],
        "other": [drawn(seed + 50, 0.3, shapes) for seed in range(20)],
    }
    (pair,) = ANALYSES.get("overlap")(found).pairs
    assert pair.pooled.jaccard == pytest.approx(pair.pooled.independent, abs=0.002)
    assert pair.pooled.independent == pytest.approx(0.03 / 0.37, abs=0.002)


def test_empty_sets_have_no_overlap_and_are_left_out_of_the_mean():
    empty, full = np.zeros(4, bool), np.ones(4, bool)
    assert jaccard(empty, empty) is None and jaccard(empty, full) == 0.0
    found = {
        "one": [pathway({"a": full, "b": empty}), pathway({"a": full, "b": full})],
        "other": [pathway({"a": full, "b": empty}), pathway({"a": full, "b": full})],
    }
    (pair,) = ANALYSES.get("overlap")(found).pairs
    assert pair.by_layer[1].jaccard == 1.0
    (pair,) = ANALYSES.get("overlap")({name: rows[:1] for name, rows in found.items()}).pairs
    assert pair.by_layer[1].jaccard is None and pair.by_layer[1].independent is None and pair.pooled.jaccard == 1.0


def test_layers_by_hand():
    kept = {"a": np.array([1, 1, 0, 0], bool), "b": np.array([0, 0], bool)}
    more = {"a": np.array([1, 1, 1, 1], bool), "b": np.array([1, 0], bool)}
    off = {"a": np.array([0, 1, 1, 1], bool), "b": np.array([0, 0], bool)}
    (rates,) = ANALYSES.get("layers")({"made": [pathway(kept, off), pathway(more, off)]}).selectors
    assert rates.inputs == 2 and rates.kept_prediction == 1.0 and rates.softmax_kept == pytest.approx(0.5)
    assert rates.density == pytest.approx((2 / 6 + 5 / 6) / 2) and rates.dead == pytest.approx((1 / 2 + 3 / 5) / 2)
    a, b = rates.layers
    assert (a.name, a.neurons, a.kept, a.kept_deviation) == ("a", 4, 0.75, 0.25)
    assert a.dead == pytest.approx((1 / 2 + 3 / 4) / 2) and a.active == pytest.approx(0.25)
    assert b.kept == 0.25 and b.dead == 0.0 and b.active == 1.0


def test_dead_and_active_are_undefined_outside_the_relu_family():
    (rates,) = ANALYSES.get("layers")({"x": FOUND["x"]}).selectors
    assert rates.dead is None and all(layer.dead is None and layer.active is None for layer in rates.layers)


def test_dead_neurons_of_the_layers_add_up():
    """Random keeps dead neurons at the base rate, and what each layer counts is the whole's."""
    x = sample_images()
    random = onnxpath.critical_pathway(sample("digits_cnn"), x, selector="random", sparsity=0.5)
    mct = onnxpath.critical_pathway(sample("digits_cnn"), x, sparsity=0.9)
    for p in (*random, *mct):
        assert sum(c.dead for c in p.layers) == round(p.dead_fraction * sum(c.kept for c in p.layers))
    rates = {s.selector: s for s in ANALYSES.get("layers")({"random": random, "neuron-mct": mct}).selectors}
    assert rates["neuron-mct"].dead == 0.0
    assert rates["random"].dead == pytest.approx(rates["random"].base_sparsity, abs=0.02)


def grouped():
    return [drawn(row, target=(0, 0, 0, 4, 4, 7)[row]) for row in range(6)]


def test_class_pathways_are_those_of_sets():
    pathways = grouped()
    made = class_pathways(pathways)
    assert [(m.label, m.inputs) for m in made] == [(0, 3), (4, 2), (7, 1)]
    for m in made:
        sets = [neurons(p.masks) for p in pathways if p.target == m.label]
        assert neurons(m.intersection) == set.intersection(*sets) and neurons(m.union) == set.union(*sets)
        for name, values in m.frequency.items():
            counted = np.mean([p.masks[name] for p in pathways if p.target == m.label], axis=0)
            np.testing.assert_allclose(values, counted, rtol=1e-6)
    assert [m.label for m in class_pathways(pathways, [1, 1, 1, 1, 2, 2])] == [1, 2]


def test_overlap_within_and_between_classes():
    pathways = grouped()
    (result,) = ANALYSES.get("classes")({"x": pathways}).selectors
    pairs = [(a.target, b.target, index(neurons(a.masks), neurons(b.masks))) for a, b in combinations(pathways, 2)]
    assert result.pooled.within == pytest.approx(np.mean([j for a, b, j in pairs if a == b]))
    assert result.pooled.between == pytest.approx(np.mean([j for a, b, j in pairs if a != b]))
    assert (
        result.matrix[0][1]
        == result.matrix[1][0]
        == pytest.approx(np.mean([j for a, b, j in pairs if {a, b} == {0, 4}]))
    )
    assert result.matrix[2][2] is None and result.classes[2].within is None
    pooled, by_layer = image_overlap(pathways)
    assert pooled[0, 3] == pytest.approx(index(neurons(pathways[0].masks), neurons(pathways[3].masks)))
    assert set(by_layer) == {"a", "b"} and [layer.name for layer in result.layers] == ["a", "b"]
    files = ANALYSES.get("classes")({"x": pathways}).files()
    assert list(files) == ["classes/x/0", "classes/x/4", "classes/x/7"] and set(files["classes/x/0"]) == {"a", "b"}


def test_maps_of_many_classes_are_counted_when_they_are_asked_for():
    """Two hundred classes of 20,000 neurons would hold 16 MB of frequencies."""
    pathways = [packed(drawn(row, shapes=(("a", (200, 10, 10)),), target=row)) for row in range(200)]
    ANALYSES.get("classes")({"x": pathways[:2]})
    tracemalloc.start()
    result = ANALYSES.get("classes")({"x": pathways})
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    found = result.selectors[0]
    assert held < 4_000_000 and len(found.maps) == 200 == len(found.matrix)
    assert all(c.intersection == c.union == pytest.approx(c.density) for c in found.classes)
    assert np.array_equal(result.files()["classes/x/7"]["a"] == 1, pathways[7].masks["a"])


def test_packed_masks_are_the_masks():
    whole = drawn(3)
    bits = packed(whole)
    assert list(bits.masks) == list(whole.masks) and len(bits.masks) == 2
    assert all(bits.masks[n].dtype == bool and np.array_equal(bits.masks[n], m) for n, m in whole.masks.items())
    assert ANALYSES.get("overlap")({"x": [whole], "y": [bits]}).pairs[0].pooled.jaccard == 1.0


@pytest.mark.parametrize("name", ANALYSES.names())
def test_what_no_analysis_can_use(name):
    run = ANALYSES.get(name)
    for found in ({}, {"x": []}):
        with pytest.raises(InputError, match="there are none"):
            run(found)
    with pytest.raises(InputError, match="pathways of 1 inputs and the first one of 2"):
        run({"x": [drawn(0), drawn(1)], "y": [drawn(0)]})
    with pytest.raises(InputError, match="pathway 1 of selector 'y' has other layers"):
        run({"x": [drawn(0), drawn(1)], "y": [drawn(0), drawn(0, shapes=(("a", (2,)),))]})


@pytest.mark.parametrize("name", ANALYSES.names())
def test_one_input_and_one_selector_are_enough(name):
    result = ANALYSES.get(name)({"x": [drawn(0)]})
    assert dataclasses.is_dataclass(result) and isinstance(result.files(), dict)


def test_old_files_without_dead_counts_are_read(tmp_path):
    arrays = drawn(0).packed()
    meta = json.loads(bytes(arrays["pathway"]))
    for layer in meta["layers"]:
        del layer["dead"]
    np.savez(tmp_path / "p.npz", **{**arrays, "pathway": np.frombuffer(json.dumps(meta).encode(), np.uint8)})
    assert [c.dead for c in Pathway.load(tmp_path / "p.npz").layers] == [None, None]
