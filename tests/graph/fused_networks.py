"""Small networks in the patterns that ONNX Runtime's optimizer and its transformer tools fuse."""

import math

import torch
from torch import nn


class Attention(nn.Module):
    """Self-attention as transformer exporters spell it."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x, mask=None):
        n, t, width = x.shape
        size = width // self.heads
        q, k, v = (f(x).view(n, t, self.heads, size).permute(0, 2, 1, 3) for f in (self.query, self.key, self.value))
        scores = torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(size)
        weights = torch.softmax(scores if mask is None else scores + mask, -1)
        joined = torch.matmul(weights, v).permute(0, 2, 1, 3).contiguous().view(n, t, width)
        return self.out(joined)


class Layer(nn.Module):
    """A transformer layer: norms behind the sums (BERT), or before the parts (ViT)."""

    def __init__(self, width, heads, first):
        super().__init__()
        self.first, self.attention = first, Attention(width, heads)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def mlp(self, x):
        return self.narrow(nn.functional.gelu(self.wide(x)))

    def forward(self, x, mask=None):
        if self.first:
            x = self.attention(self.norm1(x), mask) + x
            return self.mlp(self.norm2(x)) + x
        x = self.norm1(self.attention(x, mask) + x)
        return self.norm2(self.mlp(x) + x)


class Bert(nn.Module):
    """Token, position and segment embeddings, a mask, layers, a classifier on the first token."""

    names = ("input_ids", "attention_mask", "token_type_ids")

    def __init__(self, width=32, heads=4, words=50):
        super().__init__()
        self.words, self.places, self.kinds = (nn.Embedding(count, width) for count in (words, 16, 2))
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(Layer(width, heads, False) for _ in range(2))
        self.classify = nn.Linear(width, 3)
        self.register_buffer("order", torch.arange(16)[None])

    def forward(self, input_ids, attention_mask, token_type_ids):
        mask = (1.0 - attention_mask[:, None, None, :].to(torch.float32)) * -10000.0
        order = self.order[:, : input_ids.shape[1]]
        x = self.norm(self.words(input_ids) + self.kinds(token_type_ids) + self.places(order))
        for layer in self.layers:
            x = layer(x, mask)
        return self.classify(torch.tanh(x[:, 0]))

    @staticmethod
    def inputs():
        mask = torch.ones(2, 7, dtype=torch.int64)
        mask[0, 5:] = 0
        return torch.randint(0, 50, (2, 7)), mask, torch.randint(0, 2, (2, 7))


class Gpt(nn.Module):
    """A decoder: a causal mask, GELU by tanh, no bias in the last layer."""

    names = ("input_ids",)

    def __init__(self, width=32, heads=4, words=50):
        super().__init__()
        self.heads = heads
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(16, width)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.joint, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.head = nn.Linear(width, words, bias=False)
        self.register_buffer("seen", torch.tril(torch.ones(16, 16, dtype=torch.bool))[None, None])

    def attend(self, x):
        n, t, width = x.shape
        size = width // self.heads
        q, k, v = (y.view(n, t, self.heads, size).permute(0, 2, 1, 3) for y in self.joint(x).split(width, 2))
        scores = torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(size)
        scores = torch.where(self.seen[:, :, :t, :t], scores, torch.tensor(-1e4))
        joined = torch.matmul(torch.softmax(scores, -1), v).permute(0, 2, 1, 3).contiguous().view(n, t, width)
        return self.out(joined)

    def forward(self, input_ids):
        x = self.words(input_ids) + self.places(torch.arange(input_ids.shape[1]))
        x = x + self.attend(self.norm1(x))
        z = self.wide(self.norm2(x))
        z = 0.5 * z * (1 + torch.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * torch.pow(z, 3))))
        return self.head(self.norm3(x + self.narrow(z)))

    @staticmethod
    def inputs():
        return (torch.randint(0, 50, (2, 7)),)


class Vit(nn.Module):
    """Patches, a class token, layers with norms first."""

    names = ("x",)

    def __init__(self, width=32, heads=4):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.token, self.places = nn.Parameter(torch.randn(1, 1, width)), nn.Parameter(torch.randn(1, 17, width))
        self.layers = nn.ModuleList(Layer(width, heads, True) for _ in range(2))
        self.norm, self.classify = nn.LayerNorm(width), nn.Linear(width, 5)

    def forward(self, x):
        y = self.patches(x).flatten(2).transpose(1, 2)
        y = torch.cat([self.token.expand(y.shape[0], -1, -1), y], 1) + self.places
        for layer in self.layers:
            y = layer(y)
        return self.classify(self.norm(y)[:, 0])

    @staticmethod
    def inputs():
        return (torch.randn(2, 3, 16, 16),)


class Residual(nn.Module):
    """Two convolutions and a sum, with an activation behind each."""

    def __init__(self, width):
        super().__init__()
        self.a, self.b = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x):
        return torch.relu(self.b(nn.functional.leaky_relu(self.a(x), 0.1)) + x)


class Cnn(nn.Sequential):
    """A convolution before every activation that can be fused to one, and the same for matrix products."""

    names = ("x",)

    def __init__(self, width=8):
        parts = [nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), Residual(width)]
        for activation in (nn.Sigmoid(), nn.Hardtanh(-1, 1), nn.Tanh(), nn.Hardswish(), nn.SiLU()):
            parts += [nn.Conv2d(width, width, 1), activation]
        parts += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 16), nn.ReLU(), nn.Linear(16, width)]
        super().__init__(*parts, nn.Tanh(), nn.Linear(width, 3))

    @staticmethod
    def inputs():
        return (torch.randn(2, 3, 12, 12),)
