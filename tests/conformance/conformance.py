"""Gradient conformance over the ONNX backend node tests.

A builder is a callable  gradient(model: onnx.ModelProto, wrt: list[str]) -> onnx.ModelProto.
The returned model has the inputs of `model`, plus one input `grad_<output>` (the cotangent, same type and
shape as the output) for every float output, and has an output `grad_<input>` for every name in `wrt`
(the vector-Jacobian product).  It raises NotImplementedError (or any exception whose class name contains
"Unsupported") when it has no rule.

    python -m tests.conformance.conformance             run everything on onnxpath.gradient_graph
    python -m tests.conformance.conformance --survey    no builder: say what is checkable, and how
    options: --builder module:function (another builder)  --optimise (gradient models at ORT_ENABLE_ALL)  --ops Add,Conv
             --no-expanded  --const (non-float inputs become initializers)
             --cache FILE (reuse the finite differences)  --json FILE  -v

How a case is checked.  The expected value is a central finite difference (Richardson-extrapolated from two
steps) of sum(cotangent*output) on at most 40 elements of each input.  An element is dropped when the two steps
disagree, or when the left and right slopes do not converge (a kink at the very point).  Precision, best first:
  f64    the model converted to float64 runs in ONNX Runtime: difference and gradient both in float64
  ref64  ORT has no float64 kernel: gradient in float32 by ORT, difference in float64 by onnx.reference
  f32    neither: difference in float32 by ORT, loose tolerance
Needs only numpy, onnx, onnxruntime.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import importlib
import io
import json
import os
import pickle
import sys
import time
import warnings
import zlib

import numpy as np
import onnx
import onnxruntime as ort
from onnx import AttributeProto as AP
from onnx import TensorProto as TP
from onnx import helper, numpy_helper

VERSION = 7
MAX_ELEMS = 40
FLOATS = {TP.FLOAT, TP.DOUBLE, TP.FLOAT16, TP.BFLOAT16}
ORT_MAX_OPSET = 26  # newest opset ORT 1.31 accepts (27 is "under development" there); newer models are relabelled
REF_BUDGET = 2.0  # seconds of onnx.reference forward per case

# inputs that the schema tags non-differentiable or leaves untagged ---------------------------------------------
RANDOM = {"RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial"}
ZERO = {"Ceil", "Floor", "Round", "Sign", "EyeLike", "Hardmax"}  # gradient is identically zero
OVERRIDE = {
    "GridSample": {1},
    "AffineGrid": {0},
    "DFT": {0},
    "STFT": {0, 2},
    "GRU": {5},
    "RNN": {5},
    "LSTM": {5, 6},
    "Pad": {2},
    "Clip": {1, 2},
    "LinearAttention": {3},
    "CausalConvWithState": {3},
    "Mod": {1},
    "SoftmaxCrossEntropyLoss": set(),
    "NegativeLogLikelihoodLoss": set(),
}
NEVER = {
    "Resize": {1, 2},
    "Upsample": {1},
    "Dropout": {1},
    "Range": {0, 1, 2},
    "OneHot": {0, 1, 2},
    "RoiAlign": {1},
    "MaxRoiPool": {1},
    "NonMaxSuppression": {0, 1, 2, 3, 4},
    "DynamicQuantizeLinear": {0},
    "TfIdfVectorizer": {0},
    "Unique": {0},
    "BitCast": {0},
    "Optional": {0},
    "OptionalHasElement": {0},
}
TOL = {"f64": (2e-5, 2e-6), "ref64": (2e-3, 3e-4), "f32": (3e-2, 1e-2)}
STEP = {"f64": 1e-4, "ref64": 1e-4, "f32": 1.6e-2}


# ------------------------------------------------------------------------------------------------ model rewriting
def _each_graph(graph):
    yield graph
    for n in graph.node:
        for a in n.attribute:
            if a.type == AP.GRAPH:
                yield from _each_graph(a.g)
            for g in a.graphs:
                yield from _each_graph(g)


def _retype(tp, types):
    k = tp.WhichOneof("value")
    if k == "tensor_type" and tp.tensor_type.elem_type in types:
        tp.tensor_type.elem_type = TP.DOUBLE
    elif k == "sequence_type":
        _retype(tp.sequence_type.elem_type, types)
    elif k == "optional_type":
        _retype(tp.optional_type.elem_type, types)


def to_double(model, types=frozenset({TP.FLOAT, TP.FLOAT16, TP.BFLOAT16})):
    """a copy of the model in which every float tensor is float64"""
    m = onnx.ModelProto()
    m.CopyFrom(model)
    bodies = [g for g in _each_graph(m.graph)]
    for g in bodies:
        for v in list(g.input) + list(g.output) + list(g.value_info):
            _retype(v.type, types)
        for i, t in enumerate(g.initializer):
            if t.data_type in types:
                g.initializer[i].CopyFrom(numpy_helper.from_array(numpy_helper.to_array(t).astype(np.float64), t.name))
    for nodes in [g.node for g in bodies] + [f.node for f in m.functions]:
        for n in nodes:
            for a in n.attribute:
                if (
                    a.name in ("to", "dtype", "output_dtype", "stash_type", "softmax_precision")
                    and a.type == AP.INT
                    and a.i in types
                ) and a.name not in ("stash_type",):
                    a.i = TP.DOUBLE
                if a.type == AP.TENSOR and a.t.data_type in types:
                    a.t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(a.t).astype(np.float64), a.t.name))
            if n.op_type == "GroupNormalization" and not any(
                a.name == "stash_type" and a.i == TP.DOUBLE for a in n.attribute
            ):
                for a in [a for a in n.attribute if a.name == "stash_type"]:
                    n.attribute.remove(a)
                n.attribute.append(helper.make_attribute("stash_type", int(TP.DOUBLE)))
            if n.op_type == "Constant" and n.domain in ("", "ai.onnx"):
                for a in list(n.attribute):
                    if a.name in ("value_float", "value_floats"):
                        v = np.array(a.f if a.name == "value_float" else list(a.floats), np.float64)
                        del n.attribute[:]
                        n.attribute.append(helper.make_attribute("value", numpy_helper.from_array(v)))
    return m


def relabel(model):
    m = onnx.ModelProto()
    m.CopyFrom(model)
    for o in m.opset_import:
        if o.domain in ("", "ai.onnx") and o.version > ORT_MAX_OPSET:
            o.version = ORT_MAX_OPSET
    m.ir_version = min(m.ir_version, 10)
    del m.graph.value_info[:]
    return m


def freeze_nonfloat(model, feeds):
    """non-float tensor inputs become initializers (the form exporters emit)"""
    m = onnx.ModelProto()
    m.CopyFrom(model)
    keep, feeds = [], dict(feeds)
    for i in m.graph.input:
        if (
            i.type.HasField("tensor_type")
            and i.type.tensor_type.elem_type not in FLOATS
            and isinstance(feeds.get(i.name), np.ndarray)
        ):
            m.graph.initializer.append(numpy_helper.from_array(feeds.pop(i.name), i.name))
        else:
            keep.append(i)
    keep = [onnx.ValueInfoProto.FromString(i.SerializeToString()) for i in keep]
    del m.graph.input[:]
    m.graph.input.extend(keep)
    return m, feeds


# ------------------------------------------------------------------------------------------------ running
class Skip(Exception):
    pass


PLAIN = ort.GraphOptimizationLevel.ORT_DISABLE_ALL


def ort_session(model, optimisation=PLAIN):
    so = ort.SessionOptions()
    so.intra_op_num_threads = so.inter_op_num_threads = 1
    so.log_severity_level = 4
    so.graph_optimization_level = optimisation
    return ort.InferenceSession(model.SerializeToString(), so, providers=["CPUExecutionProvider"])


def ort_runner(model):
    s = ort_session(model)
    names = {i.name for i in s.get_inputs()}
    return lambda feeds: s.run(None, {k: v for k, v in feeds.items() if k in names})


def ref_runner(model):
    from onnx.reference import ReferenceEvaluator

    s = ReferenceEvaluator(model)
    names = set(s.input_names)
    return lambda feeds: s.run(None, {k: v for k, v in feeds.items() if k in names})


def is_float(a):
    return isinstance(a, np.ndarray) and (a.dtype.kind == "f" or str(a.dtype) == "bfloat16")


def cast_feeds(feeds, dt):
    def f(v):
        return (
            np.asarray(v, dt)
            if is_float(v) or isinstance(v, np.floating)
            else ([f(x) for x in v] if isinstance(v, list) else v)
        )

    return {k: f(v) for k, v in feeds.items()}


# ------------------------------------------------------------------------------------------------ cases
def collect():
    from onnx.backend.test.case.node import collect_testcases

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return collect_testcases(None)


def base_name(name):
    i = name.find("_expanded")
    return name if i < 0 else name[:i]


def main_node(model):
    nodes = model.graph.node
    pri = [
        n
        for n in nodes
        if n.op_type not in ("Constant", "Identity", "SequenceConstruct", "SequenceAt", "Optional", "Cast")
    ]
    return (pri or list(nodes))[0]


class Case:
    """picklable record of a prepared case"""

    def __init__(s, name, op, expanded):
        s.name, s.op, s.expanded = name, op, expanded
        s.status = None
        s.why = ""
        s.mode = ""
        s.model = b""
        s.feeds = {}
        s.wrt = []
        s.cot = {}
        s.fd = {}
        s.dropped = 0
        s.outs = []
        s.in_ort = True
        s.jitter = False

    @classmethod
    def load(cls, d):
        c = cls("", "", False)
        c.__dict__.update(d)
        return c

    @property
    def group(s):
        return s.op + (" (expanded)" if s.expanded else "")


def choose_wrt(op, node, model, feeds):
    """names of the float graph inputs that a gradient may be asked for"""
    schema = None
    with contextlib.suppress(Exception):
        schema = onnx.defs.get_schema(op, max_inclusive_version=28)
    pos = {}
    if node is not None:
        for i, n in enumerate(node.input):
            pos.setdefault(n, i)
    res = []
    for v in model.graph.input:
        if not v.type.HasField("tensor_type") or v.type.tensor_type.elem_type not in FLOATS:
            continue
        a = feeds.get(v.name)
        if not is_float(a) or a.size == 0:
            continue
        i = pos.get(v.name)
        if i is not None:
            if i in NEVER.get(op, ()):
                continue
            if schema is not None and op not in ZERO and i not in OVERRIDE.get(op, ()):
                sp = schema.inputs[min(i, len(schema.inputs) - 1)]
                if sp.differentiation_category == onnx.defs.OpSchema.DifferentiationCategory.NonDifferentiable:
                    continue
        res.append(v.name)
    return res


def in_double(run, feeds, wrt, outs):
    """Whether values that float32 cannot tell apart come out different: a kernel may compute in float32 inside."""
    rng = np.random.default_rng(0)
    near = {
        k: np.asarray(v * (1 + 2.0**-40 * rng.uniform(-1, 1, v.shape))) if k in wrt else v for k, v in feeds.items()
    }
    pairs = [(a, b) for a, b in zip(outs, run(near), strict=True) if is_float(a) and a.shape == b.shape]
    live = sum(int(np.count_nonzero(a)) for a, _ in pairs)
    same = sum(int(np.count_nonzero((a == b) & (a != 0))) for a, b in pairs)
    return live == 0 or same < 0.9 * live


def usable(outs):
    return all(np.isfinite(o.astype(np.float64)).all() for o in outs if is_float(o))


def prepare(t, base_nodes, const=False):
    node0 = main_node(t.model)
    expanded = "_expanded" in t.name
    node = base_nodes.get(base_name(t.name)) if expanded else node0
    op = (node or node0).op_type
    c = Case(t.name, op, expanded)
    if (node or node0).domain not in ("", "ai.onnx"):
        c.status, c.why = "excluded", "domain " + (node or node0).domain
        return c
    ins = [i for i in t.model.graph.input]
    if not t.data_sets:
        c.status, c.why = "excluded", "no data"
        return c
    feeds = {i.name: v for i, v in zip(ins, t.data_sets[0][0], strict=False)}
    feeds = {k: (np.asarray(v) if not isinstance(v, (list, type(None))) else v) for k, v in feeds.items()}
    fouts = [
        o.name
        for o in t.model.graph.output
        if o.type.HasField("tensor_type") and o.type.tensor_type.elem_type in FLOATS
    ]
    c.wrt = choose_wrt(op, node or node0, t.model, feeds)
    if not any(is_float(v) for v in feeds.values()):
        c.status, c.why = "excluded", "no float tensor input"
        return c
    if not fouts:
        c.status, c.why = "excluded", "no float tensor output"
        return c
    if not c.wrt:
        c.status, c.why = "excluded", "no differentiable input"
        return c
    if op in RANDOM or (
        op == "Dropout"
        and any(v.dtype == bool and v.all() for v in feeds.values() if isinstance(v, np.ndarray) and v.size)
    ):
        c.status, c.why = "not checkable", "random"
        return c
    half = any(is_float(v) and v.dtype.itemsize == 2 for v in feeds.values()) or any(
        o.type.tensor_type.elem_type in (TP.FLOAT16, TP.BFLOAT16)
        for o in t.model.graph.output
        if o.type.HasField("tensor_type")
    )
    if op in ("Cast", "CastLike") and half:
        c.status, c.why = "not checkable", "cast to or from a 16-bit type"
        return c
    model = relabel(t.model)
    try:
        ort_session(model)
    except Exception:  # an operator newer than ORT: leave the model as it is
        model = t.model
        c.in_ort = False
    if const:
        model, feeds = freeze_nonfloat(model, feeds)
    expected = [np.asarray(o) if not isinstance(o, list) else o for o in t.data_sets[0][1]]
    names = [o.name for o in t.model.graph.output]

    def agrees(outs, tol=2e-2):
        for o, e in zip(outs, expected, strict=False):
            if is_float(e) and is_float(o):
                if o.shape != e.shape:
                    return False
                e, o = e.astype(np.float64), o.astype(np.float64)
                if not np.allclose(
                    o, e, rtol=tol, atol=tol * max(1e-3, np.nanmax(np.abs(e), initial=0)), equal_nan=True
                ):
                    return False
        return True

    seed = zlib.crc32(t.name.encode())
    rng = np.random.default_rng(seed)
    f64 = cast_feeds(feeds, np.float64)
    why = []
    dmodel = None
    try:
        dmodel = to_double(model)
    except Exception as e:
        why.append("to_double " + str(e)[:60])

    def attempt(mode):
        if mode == "f64":
            if dmodel is None:
                raise Skip("no f64 form")
            run = ort_runner(dmodel)
            fd = f64
            m = dmodel
        elif mode == "ref64":
            if dmodel is None:
                raise Skip("no f64 form")
            run = ref_runner(dmodel)
            fd = f64
            m = model
        else:
            run = ort_runner(model)
            fd = feeds
            m = model
        if mode == "ref64" and "Pool" in op and c.in_ort and sum(v.size for v in fd.values() if is_float(v)) > 20000:
            raise Skip("reference too slow")
        t0 = time.perf_counter()
        outs = run(fd)
        dt = time.perf_counter() - t0
        if not agrees(outs):
            raise Skip(mode + " forward differs from the test's expected output")
        again = run(fd)
        if any(is_float(a) and not np.array_equal(a, b, equal_nan=True) for a, b in zip(outs, again, strict=False)):
            raise Skip("nondeterministic")
        if mode == "ref64" and any(is_float(o) and o.dtype != np.float64 for o in outs):
            raise Skip("reference lost float64")
        if mode != "f32" and op not in ZERO and not in_double(run, fd, c.wrt, outs):
            raise Skip(mode + " computes in float32 inside")
        return run, fd, m, outs, dt

    best, index = None, {n: i for i, n in enumerate(names)}
    for mode in ("f64", "ref64", "f32"):
        if mode == "f32" and (half or not c.in_ort):
            continue
        try:
            run, fd, _m, outs, dt = attempt(mode)
        except Exception as e:
            why.append(mode + ": " + " ".join(str(e).split())[-110:])
            continue
        if mode == "ref64" and half:
            why.append("16-bit and no float64 kernel")
            continue
        slow = mode == "ref64" and dt * MAX_ELEMS > REF_BUDGET
        if slow and c.in_ort:
            why.append("reference too slow")
            continue
        if not usable(outs):
            why.append("non-finite forward")
            continue
        n_el = (
            MAX_ELEMS
            if mode != "ref64"
            else int(np.clip(REF_BUDGET / (4 * dt + 1e-9) / max(1, len(c.wrt)), 4, MAX_ELEMS))
        )
        couts = [n for n, o in zip(names, outs, strict=False) if is_float(o) and n in fouts]
        done = False
        for jitter in (False, True):
            base, o = dict(fd), outs
            if jitter:
                for w in c.wrt:
                    base[w] = (
                        base[w]
                        + rng.uniform(-0.04, 0.04, base[w].shape) * max(1.0, float(np.std(base[w].astype(np.float64))))
                    ).astype(base[w].dtype)
                try:
                    o = run(base)
                    if not usable(o):
                        continue
                except Exception:
                    continue
            cot = {
                n: np.asarray(
                    rng.uniform(0.5, 1.5, o[index[n]].shape) * rng.choice([-1.0, 1.0], o[index[n]].shape), np.float32
                )
                for n in couts
            }
            res, dropped, total = differences(run, base, c.wrt, cot, index, mode, rng, n_el, o)
            kept = sum(len(v[0]) for v in res.values())
            live = op in ZERO or any(np.any(np.abs(v[1]) > 1e-9) for v in res.values())
            score = kept / total + live
            if kept and (best is None or score > best[0] + 0.2):
                best = (score, dropped, res, cot, base, jitter, mode, couts)
            if kept >= 0.6 * total and live:
                done = True
                break
        if done:
            break
    if best is None:
        c.status, c.why = (
            "not checkable",
            (" | ".join(why)[:240] or "every sampled element lies on a kink, or the differences do not settle"),
        )
        return c
    _, c.dropped, c.fd, c.cot, base, c.jitter, c.mode, c.outs = best
    c.model = (dmodel if c.mode == "f64" else model).SerializeToString()
    c.f32model = b"" if c.mode != "f64" or half else model.SerializeToString()
    c.feeds = base if c.mode != "ref64" else cast_feeds(base, np.float32)
    c.status = "ready"
    return c


def differences(run, base, wrt, cot, index, mode, rng, n_el, outs0):
    h0 = STEP[mode]
    eps = np.finfo(np.float64 if mode != "f32" else np.float32).eps
    res, dropped, total = {}, 0, 0
    cots = [(index[n], g.astype(np.float64)) for n, g in cot.items()]
    y0 = {i: outs0[i].astype(np.float64) for i, _ in cots}
    noise0 = sum(float(np.abs(g).max(initial=0) * np.abs(y0[i]).max(initial=0)) for i, g in cots) * eps * 8

    def delta(x, flat, w, v):  # sum(cot*(y(x with element=v)-y0)), or None
        keep = x.flat[flat]
        x.flat[flat] = v
        try:
            o = run({**base, w: x})
        except Exception:
            return None
        finally:
            x.flat[flat] = keep
        s = 0.0
        for i, g in cots:
            if o[i].shape != g.shape:
                return None
            s += float((g * (o[i].astype(np.float64) - y0[i])).sum())
        return s if np.isfinite(s) else None

    for w in wrt:
        x = np.array(base[w], copy=True)
        n = x.size
        pick = np.arange(n) if n <= n_el else np.sort(rng.choice(n, n_el, replace=False))
        idx, val = [], []
        for k in pick:
            total += 1
            v = float(x.flat[k])
            if not np.isfinite(v):
                dropped += 1
                continue
            # In float64 a step need not grow with the value, and of 10,000 it would be too long for a softmax.
            large = abs(v) if mode == "f32" else min(abs(v), 10.0)
            h = h0 * max(1.0, large) if abs(v) > 1e-2 or v == 0 else h0 * max(abs(v), 0.05)
            ps = [x.dtype.type(v + s) for s in (h, -h, h / 2, -h / 2)]
            ds = [delta(x, k, w, p) for p in ps]
            if any(d is None for d in ds):
                dropped += 1
                continue
            s = [float(p) - v for p in ps]
            D1 = (ds[0] - ds[1]) / (s[0] - s[1])
            D2 = (ds[2] - ds[3]) / (s[2] - s[3])
            tol_rel, tol_abs = TOL[mode]
            noise = noise0 / abs(h) + tol_abs * 0.3
            # Half a step changes the error of a smooth difference by 1e-8; by as much as is judged later, and the
            # difference itself is in doubt: a kernel that computes in float32, a kink of the second derivative.
            if abs(D1 - D2) > noise + tol_rel * (10 if mode == "f32" else 0.3) * max(abs(D1), abs(D2)):
                dropped += 1
                continue
            J1 = abs(ds[0] / s[0] - ds[1] / s[1])
            J2 = abs(ds[2] / s[2] - ds[3] / s[3])
            if 0.7 * J1 + noise * 2 < J2 and 10 * tol_rel * max(abs(D2), tol_abs) + noise * 2 < J2:
                dropped += 1
                continue
            idx.append(int(k))
            val.append((4 * D2 - D1) / 3)
        if idx:
            res[w] = (np.array(idx), np.array(val), x.shape)
    return res, dropped, total


# ------------------------------------------------------------------------------------------------ judging
def unsupported(e):
    return isinstance(e, NotImplementedError) or any("unsupported" in k.__name__.lower() for k in type(e).__mro__)


def judge(c, gradient, optimisation=PLAIN):
    wrt = [w for w in c.wrt if w in c.fd]
    mode = c.mode
    forms = [(c.model, mode)] + ([(c.f32model, "f32g")] if getattr(c, "f32model", b"") else [])
    err = ""
    for blob, mode in forms:
        model = onnx.ModelProto.FromString(blob)
        try:
            g = gradient(model, list(wrt))
        except Exception as e:
            if unsupported(e):
                return "unsupported", " ".join(str(e).split())
            return "fail", f"builder raised {type(e).__name__}: {' '.join(str(e).split())[:140]}"
        try:
            s = ort_session(g, optimisation)
        except Exception as e:
            err = "gradient model does not load: " + " ".join(str(e).split())[-160:]
            if "NOT_IMPLEMENTED" in str(e) and mode == "f64":
                continue
            if not c.in_ort:
                return "not checkable", "ORT cannot run the forward operator"
            return "fail", err
        dt = np.float64 if mode == "f64" else np.float32
        feeds = cast_feeds({**c.feeds, **{"grad_" + n: v for n, v in c.cot.items()}}, dt)
        have = {i.name for i in s.get_inputs()}
        onames = [o.name for o in s.get_outputs()]
        miss = ["grad_" + w for w in wrt if "grad_" + w not in onames]
        if miss:
            return "fail", "missing outputs " + ",".join(miss)
        try:
            out = dict(
                zip(
                    ["grad_" + w for w in wrt],
                    s.run(["grad_" + w for w in wrt], {k: v for k, v in feeds.items() if k in have}),
                    strict=False,
                )
            )
        except Exception as e:
            err = "gradient model does not run: " + " ".join(str(e).split())[-160:]
            return "fail", err
        rtol, atol = TOL["ref64" if mode == "f32g" else mode]
        for w in wrt:
            idx, val, shape = c.fd[w]
            o = out["grad_" + w]
            if tuple(o.shape) != tuple(shape):
                return "fail", f"grad_{w} has shape {o.shape}, input {shape}"
            if o.dtype != dt:
                return "fail", f"grad_{w} has dtype {o.dtype}"
            got = o.reshape(-1)[idx].astype(np.float64)
            bad = ~(np.abs(got - val) <= rtol * np.abs(val) + atol * max(1.0, float(np.abs(val).max())))
            if bad.any():
                k = int(np.argmax(np.where(np.isfinite(got), np.abs(got - val), np.inf)))
                return (
                    "fail",
                    f"grad_{w}[{idx[k]}] = {got[k]:.6g}, finite difference {val[k]:.6g} "
                    f"({int(bad.sum())}/{len(bad)} elements, {mode})",
                )
        return "pass", mode
    return "fail", err


def load_cases(ops=None, const=False, cache=None, expanded=True, progress=None, pick=None):
    """The prepared cases; pick: function from a case's name to whether it is wanted (then nothing is cached)."""
    key = (VERSION, onnx.__version__, ort.__version__, tuple(ops or ()), const)
    assert not (cache and pick)
    if cache and os.path.exists(cache):
        with open(cache, "rb") as f:
            k, recs = pickle.load(f)
        if k == key:
            return [Case.load(r) for r in recs]
    tests = collect()
    base = {t.name: main_node(t.model) for t in tests if "_expanded" not in t.name}
    if ops:
        tests = [t for t in tests if (base.get(base_name(t.name)) or main_node(t.model)).op_type in ops]
    cases = []
    for i, t in enumerate(tests):
        if not expanded and "_expanded" in t.name:
            continue
        if pick and not pick(t.name):
            continue
        t0 = time.perf_counter()
        try:
            c = prepare(t, base, const)
        except Exception as e:
            c = Case(t.name, "?", False)
            c.status, c.why = "not checkable", f"harness {type(e).__name__}: {e}"
        c.seconds = time.perf_counter() - t0
        cases.append(c)
        if progress and i % 200 == 0:
            progress(f"  prepared {i}/{len(tests)}")
    if cache:
        with open(cache, "wb") as f:
            pickle.dump((key, [c.__dict__ for c in cases]), f)
    return cases


@contextlib.contextmanager
def quiet():
    """numpy's and ONNX Runtime's complaints about the odd values of some tests: what comes out is compared anyway"""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def run(
    gradient,
    ops=None,
    const=False,
    cache=None,
    expanded=True,
    verbose=False,
    fail_list=True,
    out=print,
    cases=None,
    optimise=False,
):
    """returns (rows, summary); prints the table and the final line"""
    if cases is None:
        cases = [c for c in load_cases(ops, const, cache, expanded) if expanded or not c.expanded]
    rows, per = [], collections.defaultdict(collections.Counter)
    for c in cases:
        if c.status == "excluded":
            continue
        if c.status == "not checkable":
            st, why = c.status, c.why
        else:
            st, why = judge(c, gradient, ort.GraphOptimizationLevel.ORT_ENABLE_ALL if optimise else PLAIN)
        rows.append(
            dict(
                case=c.name,
                op=c.op,
                group=c.group,
                status=st,
                why=why,
                mode=c.mode,
                wrt=c.wrt,
                elements=sum(len(v[0]) for v in c.fd.values()),
                dropped=c.dropped,
            )
        )
        per[c.group][st] += 1
        if verbose:
            out(f"  {st:13s} {c.name:60s} {why}")
    out(f"{'operator':38s} {'pass':>5s} {'fail':>5s} {'unsup':>6s} {'uncheck':>8s}")
    for g in sorted(per):
        p = per[g]
        out(f"{g:38s} {p['pass']:5d} {p['fail']:5d} {p['unsupported']:6d} {p['not checkable']:8d}")
    if fail_list:
        for r in rows:
            if r["status"] == "fail":
                out(f"FAIL {r['case']}: {r['why']}")
    tot = collections.Counter(r["status"] for r in rows)
    out(f"not checkable: {tot['not checkable']} (not counted below)")
    n = tot["pass"] + tot["fail"] + tot["unsupported"]
    out(f"conformance: {tot['pass']} passed, {tot['fail']} failed, {tot['unsupported']} unsupported of {n}")
    return rows, tot


def survey(cases, out=print):
    per = collections.defaultdict(collections.Counter)
    exc = collections.Counter()
    for c in cases:
        if c.status == "excluded":
            exc[c.why.split(" ai")[0]] += 1
            continue
        p = per[c.group]
        p["n"] += 1
        p[c.status] += 1
        if c.status == "ready":
            p[c.mode] += 1
            p["el"] += sum(len(v[0]) for v in c.fd.values())
            p["drop"] += c.dropped
            p["jit"] += c.jitter
            p["zero"] += all(not np.any(v[1]) for v in c.fd.values())
            p["noort"] += not c.in_ort
    out(
        f"{'operator':38s} {'cases':>5s} {'ready':>5s} {'f64':>4s} {'ref64':>5s} {'f32':>4s} "
        f"{'uncheck':>7s} {'zero':>4s} "
        f"{'elems':>6s} {'dropped':>7s} {'jitter':>6s} {'noORT':>5s}"
    )
    for g in sorted(per):
        p = per[g]
        out(
            f"{g:38s} {p['n']:5d} {p['ready']:5d} {p['f64']:4d} {p['ref64']:5d} {p['f32']:4d} {p['not checkable']:7d} "
            f"{p['zero']:4d} {p['el']:6d} {p['drop']:7d} {p['jit']:6d} {p['noort']:5d}"
        )
    out("excluded: " + ", ".join(f"{v} {k}" for k, v in exc.most_common()))
    for c in cases:
        if c.status == "not checkable":
            out(f"uncheckable {c.name}: {c.why}")
    r = sum(p["ready"] for p in per.values())
    u = sum(p["not checkable"] for p in per.values())
    out(
        f"survey: {r} checkable, {u} not checkable, {sum(exc.values())} excluded of {len(cases)} cases; "
        f"{len(per)} groups; " + ", ".join(f"{m} {sum(p[m] for p in per.values())}" for m in ("f64", "ref64", "f32"))
    )


def main(argv=None):
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--builder", default="onnxpath:gradient_graph")
    ap.add_argument("--survey", action="store_true")
    ap.add_argument("--ops")
    ap.add_argument("--const", action="store_true")
    ap.add_argument("--cache")
    ap.add_argument(
        "--optimise", action="store_true", help="run the gradient models with all of ORT's graph optimisation"
    )
    ap.add_argument("--no-expanded", action="store_true")
    ap.add_argument("--json")
    ap.add_argument("-v", action="store_true")
    a = ap.parse_args(argv)
    ops = a.ops.split(",") if a.ops else None
    t0 = time.time()
    if a.survey:
        cases = load_cases(ops, a.const, a.cache, not a.no_expanded)
        survey(cases)
        print(f"{time.time() - t0:.0f} s")
        return 0
    sys.path.insert(0, os.getcwd())
    mod, fn = a.builder.split(":")
    fnc = getattr(importlib.import_module(mod), fn)
    rows, tot = run(fnc, ops, a.const, a.cache, not a.no_expanded, a.v, optimise=a.optimise)
    if a.json:
        with open(a.json, "w") as f:
            json.dump(rows, f)
    return 1 if tot["fail"] else 0


if __name__ == "__main__":
    with quiet():
        sys.exit(main())
