"""Small torch networks on sequences: attention, recurrence, dilated convolution."""

import torch
from torch import nn
from torch.nn import functional as F

from tests.exporters.torchvision_stub import declare_operators


class TorchEncoder(nn.Module):
    """torch's own encoder layers, on its nn.MultiheadAttention."""

    def __init__(self, width=12, first=False):
        super().__init__()
        layer = nn.TransformerEncoderLayer(width, 3, 24, batch_first=True, norm_first=first, activation="gelu")
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, 4)

    def forward(self, x):
        return self.head(self.layers(x).mean(1))


class CrossAttention(nn.Module):
    """Two inputs: a decoder's queries attend to an encoder's memory, the future masked."""

    def __init__(self, width=12):
        super().__init__()
        self.self_attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.cross = nn.MultiheadAttention(width, 3, batch_first=True, bias=False)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 4)
        self.register_buffer("future", torch.ones(5, 5, dtype=torch.bool).triu(1))

    def forward(self, x, memory):
        x = x + self.self_attention(x, x, x, attn_mask=self.future, need_weights=False)[0]
        y, weights = self.cross(self.norm(x), memory, memory)
        return self.head(x + y), weights


class Recurrent(nn.Module):
    """A classifier of the last step, and of all steps' mean. kind: LSTM, GRU or RNN."""

    def __init__(self, kind, both=False):
        super().__init__()
        self.body = getattr(nn, kind)(6, 8, num_layers=2, batch_first=True, bidirectional=both)
        self.head = nn.Linear(16 if both else 8, 3)

    def forward(self, x):
        y = self.body(x)[0]
        return self.head(y[:, -1] + y.mean(1))


class WaveNet(nn.Module):
    """Dilated causal convolutions with gates, residual and skip paths."""

    def __init__(self, width=6):
        super().__init__()
        self.first = nn.Conv1d(2, width, 1)
        self.gates = nn.ModuleList(nn.Conv1d(width, 2 * width, 2, dilation=2**i) for i in range(3))
        self.residual = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in range(3))
        self.skip = nn.ModuleList(nn.Conv1d(width, 5, 1) for _ in range(3))
        self.out = nn.Conv1d(5, 4, 1)

    def forward(self, x):
        x, total = self.first(x), 0
        for gate, residual, skip in zip(self.gates, self.residual, self.skip, strict=True):
            signal, open_ = gate(F.pad(x, (gate.dilation[0], 0))).chunk(2, 1)
            y = signal.tanh() * open_.sigmoid()
            total = total + skip(y)
            x = x + residual(y)
        return F.log_softmax(self.out(F.relu(total)), 1)


class RootMeanSquare(nn.Module):
    """The norm of Llama, T5 and others, written out as they do."""

    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(width) + 0.5)

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


class Mixer(nn.Module):
    """MLPs over tokens and over channels, and a norm without a mean."""

    def __init__(self, tokens=8, width=6):
        super().__init__()
        self.tokens = nn.Sequential(nn.Linear(tokens, 12), nn.GELU("tanh"), nn.Linear(12, tokens))
        self.gate, self.value, self.back = nn.Linear(width, 10), nn.Linear(width, 10), nn.Linear(10, width)
        self.norm, self.head = RootMeanSquare(width), nn.Linear(width, 3)

    def forward(self, x):
        x = x + self.tokens(self.norm(x).transpose(1, 2)).transpose(1, 2)
        y = self.norm(x)
        x = x + self.back(F.silu(self.gate(y)) * self.value(y))  # SwiGLU
        return self.head(F.normalize(x, dim=-1).amax(1))


class Einsums(nn.Module):
    """Attention written in einsum, with rotary positions and linear (unnormalised) keys."""

    def __init__(self, width=8, heads=2, length=6):
        super().__init__()
        self.split = nn.Parameter(torch.randn(3, width, heads, width // heads) * width**-0.5)
        self.join = nn.Parameter(torch.randn(heads, width // heads, 4) * 0.3)
        angles = torch.outer(torch.arange(length), 10.0 ** -torch.arange(width // heads // 2))
        self.register_buffer("cos", torch.cat([angles, angles], -1).cos()[:, None])
        self.register_buffer("sin", torch.cat([angles, angles], -1).sin()[:, None])

    def _turned(self, x):
        first, second = x.chunk(2, -1)
        return x * self.cos + torch.cat([-second, first], -1) * self.sin

    def forward(self, x):
        q, k, v = torch.einsum("bld,pdhe->pblhe", x, self.split).unbind(0)
        weights = torch.einsum("blhe,bmhe->bhlm", self._turned(q), self._turned(k)).softmax(-1)
        return torch.einsum("bhlm,bmhe,hef->bf", weights, v, self.join)


class Embedded(nn.Module):
    """A transformers model on its embeddings, so that every exporter's input is a float one."""

    def __init__(self, model, width):
        super().__init__()
        self.model, self.head = model, nn.Linear(width, 3)

    def forward(self, x):
        seen = x.new_ones(x.shape[:2])  # without it transformers looks for packed rows, by an operator not in ONNX
        return self.head(self.model(inputs_embeds=x, attention_mask=seen, return_dict=False)[0])


def bert():
    declare_operators()  # transformers imports torchvision where there is one
    from transformers import BertConfig, BertModel

    config = BertConfig(
        hidden_size=12,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=24,
        vocab_size=20,
        attn_implementation="eager",
    )
    return Embedded(BertModel(config), 12)


def gpt2():
    declare_operators()  # transformers imports torchvision where there is one
    from transformers import GPT2Config, GPT2Model

    config = GPT2Config(
        n_embd=12, n_layer=2, n_head=3, vocab_size=20, n_positions=16, use_cache=False, attn_implementation="eager"
    )
    return Embedded(GPT2Model(config), 12)
