"""Small transformers as torch modules, and the same with the rules of AttnLRP."""

import torch
from torch import nn

from tests.relevance import attnlrp_oracle as rules


class RootMeanSquare(nn.Module):
    """x / root of the mean square, scaled: spelled out in every export."""

    def __init__(self, width, reciprocal):
        super().__init__()
        self.weight = nn.Parameter(1 + 0.3 * torch.randn(width))
        self.reciprocal = reciprocal

    def forward(self, x):
        square = x.pow(2).mean(-1, keepdim=True) + 1e-5
        return x * torch.rsqrt(square) * self.weight if self.reciprocal else x / torch.sqrt(square) * self.weight


class Encoder(nn.Module):
    """Embedded sequences, masked attention, a gated perceptron, RMS norms; the mean over the sequence is classified.

    float32 [N, T, width] -> [N, 4].
    """

    def __init__(self, width=8, heads=2, reciprocal=True):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = RootMeanSquare(width, reciprocal), RootMeanSquare(width, reciprocal)
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))
        self.gate, self.up = nn.Linear(width, 12), nn.Linear(width, 12)
        self.down = nn.Linear(12, width)
        self.last = nn.LayerNorm(width)
        self.head = nn.Linear(width, 4)
        with torch.no_grad():
            self.last.bias.normal_(0, 0.2)

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x):
        mask = causal(x)
        h = self.norm1(x)
        q, k, v = (self.split(f(h)) for f in (self.q, self.k, self.v))
        scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5 + mask
        x = x + self.out((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
        h = self.norm2(x)
        x = x + self.down(nn.functional.silu(self.gate(h)) * self.up(h))
        return self.head(self.last(x).mean(1))


def causal(x):
    places = torch.arange(x.shape[1])
    return (places[None, :] > places[:, None]).to(x.dtype) * -1e4


def encoder(net, x, norm=rules.norm):
    """The encoder, with rules; norm: those of its LayerNorm."""

    def linear(layer, x):
        # Linear on three axes is exported as MatMul and Add.
        made = rules.Linear.apply(x, layer.weight.T, torch.zeros((), dtype=x.dtype))
        return rules.Sum.apply(made, layer.bias.expand_as(made))

    def passed(layer, x):
        return rules.Identity.apply(x, layer)

    h = passed(net.norm1, x)
    q, k, v = (net.split(linear(f, h)) for f in (net.q, net.k, net.v))
    mixed = rules.attention(q, k, v, q.shape[-1] ** -0.5, causal(x))
    x = rules.Sum.apply(x, linear(net.out, mixed.transpose(1, 2).flatten(2)))
    h = passed(net.norm2, x)
    hidden = rules.Halves.apply(rules.Identity.apply(linear(net.gate, h), nn.functional.silu), linear(net.up, h))
    x = rules.Sum.apply(x, linear(net.down, hidden))
    return rules.dense(net.head, rules.mean(norm(net.last, x).transpose(1, 2)).squeeze(-1))
