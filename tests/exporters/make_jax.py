"""Run by another interpreter: JAX functions and Flax networks as jax2onnx writes them, and JAX's own gradient.

python make_jax.py FOLDER        writes NAME-{fixed,symbolic}.onnx and NAME.npz
"""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax2onnx import to_onnx

ROWS, FIXED = 5, 2


def normal(key, *shape):
    return jax.random.normal(jax.random.PRNGKey(key), shape) / np.sqrt(shape[0])


def plain():
    weights = [normal(i, 20, 20) for i in range(4)]
    acts = (jax.nn.relu, jax.nn.gelu, jnp.tanh, jax.nn.silu)

    def forward(x):
        for weight, act in zip(weights, acts, strict=True):
            x = act(x @ weight + 0.1)
        return jax.nn.log_softmax(x[:, :4])

    return forward, (20,)


class Cnn(nnx.Module):
    def __init__(self):
        rngs = nnx.Rngs(0)
        self.first = nnx.Conv(3, 8, (3, 3), (2, 2), rngs=rngs)
        self.norm = nnx.BatchNorm(8, use_running_average=True, rngs=rngs)
        self.depth = nnx.Conv(8, 8, (3, 3), feature_group_count=8, rngs=rngs)
        self.group = nnx.GroupNorm(8, num_groups=4, rngs=rngs)
        self.head = nnx.Linear(8, 5, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.norm(self.first(x)))
        x = x + nnx.silu(self.group(self.depth(x)))
        x = nnx.max_pool(x, window_shape=(2, 2), strides=(2, 2)) + nnx.avg_pool(x, window_shape=(2, 2), strides=(2, 2))
        return self.head(x.mean((1, 2)))


def cnn():
    return Cnn(), (12, 12, 3)


class Block(nnx.Module):
    def __init__(self, width=12):
        rngs = nnx.Rngs(0)
        self.norms = nnx.List([nnx.LayerNorm(width, rngs=rngs), nnx.RMSNorm(width, rngs=rngs)])
        self.attention = nnx.MultiHeadAttention(3, width, decode=False, rngs=rngs)
        self.wide, self.narrow = nnx.Linear(width, 24, rngs=rngs), nnx.Linear(24, width, rngs=rngs)

    def __call__(self, x):
        x = x + self.attention(self.norms[0](x))
        return x + self.narrow(nnx.gelu(self.wide(self.norms[1](x))))


def transformer():
    return Block(), (6, 12)


def einsum():
    split, join = normal(0, 8, 3, 2, 4), normal(1, 2, 4, 5)

    def forward(x):
        q, k, v = jnp.moveaxis(jnp.einsum("bld,dphe->bplhe", x, split), 1, 0)
        weights = jax.nn.softmax(jnp.einsum("blhe,bmhe->bhlm", q, k), -1)
        return jnp.einsum("bhlm,bmhe,hef->blf", weights, v, join)

    return forward, (6, 8)


def scan():
    inner, outer, head = normal(0, 6, 7), normal(1, 7, 7), normal(2, 7, 3)

    def forward(x):
        def step(state, row):
            state = jnp.tanh(row @ inner + state @ outer)
            return state, state

        first = jnp.zeros((x.shape[0], 7))
        last, states = jax.lax.scan(step, first, jnp.swapaxes(x, 0, 1))
        return (last + states.mean(0)) @ head

    return forward, (5, 6)


NETWORKS = {"plain": plain, "cnn": cnn, "transformer": transformer, "einsum": einsum, "scan": scan}


def write(name, folder):
    forward, shape = NETWORKS[name]()
    x = jax.random.normal(jax.random.PRNGKey(7), (ROWS, *shape))
    y, back = jax.vjp(forward, x)
    cotangent = jax.random.normal(jax.random.PRNGKey(8), y.shape)
    np.savez(folder / f"{name}.npz", x0=x, y0=y, grad_y0=cotangent, grad_x0=back(cotangent)[0])
    for form, rows in (("fixed", FIXED), ("symbolic", "B")):
        path = folder / f"{name}-{form}.onnx"
        to_onnx(forward, [(rows, *shape)], return_mode="file", output_path=path, opset=23)


if __name__ == "__main__":
    for chosen in NETWORKS:
        write(chosen, Path(sys.argv[1]))
