"""Small torch networks on pictures, one for each way that modern CNNs and window transformers are built."""

import torch
from torch import nn
from torch.nn import functional as F


def conv(inner, outer, kernel=3, stride=1, groups=1, act=nn.ReLU):
    """Conv, BatchNorm, activation; the size is kept up to the stride."""
    body = nn.Conv2d(inner, outer, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(body, nn.BatchNorm2d(outer), act() if act else nn.Identity())


def head(width, classes=5):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


class Excite(nn.Module):
    """Squeeze and excitation, by mean (EfficientNet) or with the gate of ECA: a convolution over channels."""

    def __init__(self, width, kind="se"):
        super().__init__()
        self.kind = kind
        self.small, self.large = nn.Conv2d(width, 4, 1), nn.Conv2d(4, width, 1)
        self.across = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x):
        if self.kind == "se":
            return x * self.large(F.silu(self.small(x.mean((2, 3), keepdim=True)))).sigmoid()
        y = self.across(x.mean((2, 3)).unsqueeze(1)).transpose(1, 2).unsqueeze(-1)
        return x * y.sigmoid().expand_as(x)


class Inverted(nn.Module):
    def __init__(self, inner, outer, stride, kind):
        super().__init__()
        wide = 3 * inner
        self.skip = stride == 1 and inner == outer
        self.body = nn.Sequential(
            conv(inner, wide, 1, act=nn.SiLU),
            conv(wide, wide, 5, stride, groups=wide, act=nn.SiLU),
            Excite(wide, kind),
            conv(wide, outer, 1, act=None),
        )

    def forward(self, x):
        return x + self.body(x) if self.skip else self.body(x)


def efficientnet():
    blocks = (Inverted(8, 8, 1, "se"), Inverted(8, 12, 2, "se"), Inverted(12, 12, 1, "eca"))
    return nn.Sequential(conv(3, 8, 3, 2, act=nn.SiLU), *blocks, head(12))


class Grouped(nn.Module):
    """RegNet's and ResNeXt's bottleneck: a grouped convolution, a strided shortcut that pools first (ResNet-D)."""

    def __init__(self, inner, outer, stride):
        super().__init__()
        self.body = nn.Sequential(
            conv(inner, outer, 1),
            conv(outer, outer, 3, stride, groups=4),
            Excite(outer),
            conv(outer, outer, 1, act=None),
        )
        pool = nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False) if stride == 2 else nn.Identity()
        self.shortcut = nn.Sequential(pool, conv(inner, outer, 1, act=None))

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


def regnet():
    return nn.Sequential(conv(3, 8, 3, 2), Grouped(8, 8, 1), Grouped(8, 16, 2), head(16))


class Shuffled(nn.Module):
    """ShuffleNet v2: half of the channels pass by, then both halves are interleaved."""

    def __init__(self, width):
        super().__init__()
        half = width // 2
        self.body = nn.Sequential(conv(half, half, 1), conv(half, half, 3, groups=half, act=None), conv(half, half, 1))

    def forward(self, x):
        kept, changed = x.chunk(2, 1)
        y = torch.cat([kept, self.body(changed)], 1)
        rows, channels, height, width = y.shape
        return y.view(rows, 2, channels // 2, height, width).transpose(1, 2).reshape(rows, channels, height, width)


def shufflenet():
    return nn.Sequential(conv(3, 8, 3, 2), nn.MaxPool2d(3, 2, 1), Shuffled(8), Shuffled(8), conv(8, 12, 1), head(12))


class Mixed(nn.Module):
    """Inception: branches of several sizes, a 7x7 in two halves, a pooled one."""

    def __init__(self, inner, stride=1):
        super().__init__()
        halves = (nn.Conv2d(4, 4, (1, 7), padding=(0, 3)), nn.ReLU(), nn.Conv2d(4, 6, (7, 1), stride, padding=(3, 0)))
        self.branches = nn.ModuleList(
            [
                conv(inner, 4, 1, stride),
                nn.Sequential(conv(inner, 4, 1), *halves, nn.ReLU()),
                nn.Sequential(conv(inner, 4, 1), conv(4, 6, 3), conv(6, 6, 3, stride)),
                nn.Sequential(nn.AvgPool2d(3, stride, 1, count_include_pad=False), nn.Conv2d(inner, 4, 1)),
                nn.MaxPool2d(3, stride, 1),
            ]
        )

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


class Inception(nn.Module):
    """Its input is normalised channel by channel in the graph, as torchvision's transform_input does."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(conv(3, 8, 3, 2), Mixed(8), Mixed(28, 2), nn.LocalResponseNorm(5), head(48))

    def forward(self, x):
        x = torch.cat([x[:, i].unsqueeze(1) * (0.4 + 0.1 * i) + 0.05 * i for i in range(3)], 1)
        return self.body(x)


class DenseBlock(nn.Module):
    """DenseNet-BC: bottleneck layers, each reading all before it."""

    def __init__(self, inner, growth, count):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                *(nn.BatchNorm2d(inner + i * growth), nn.ReLU(), nn.Conv2d(inner + i * growth, 2 * growth, 1)),
                *(nn.BatchNorm2d(2 * growth), nn.ReLU(), nn.Conv2d(2 * growth, growth, 3, padding=1)),
            )
            for i in range(count)
        )

    def forward(self, x):
        parts = [x]
        for layer in self.layers:
            parts.append(layer(torch.cat(parts, 1)))
        return torch.cat(parts, 1)


def densenet():
    return nn.Sequential(
        *(conv(3, 8, 7, 2), nn.MaxPool2d(3, 2, 1), DenseBlock(8, 4, 3), nn.BatchNorm2d(20), nn.ReLU()),
        *(nn.Conv2d(20, 8, 1), nn.AvgPool2d(2), DenseBlock(8, 4, 2), head(16)),
    )


class WindowAttention(nn.Module):
    """Swin: attention in shifted windows, with a relative position bias from a table and a mask between windows."""

    def __init__(self, width, heads, size, window, shift):
        super().__init__()
        self.heads, self.window, self.shift = heads, window, shift
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.table = nn.Parameter(torch.randn((2 * window - 1) ** 2, heads))
        places = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
        steps = places[:, :, None] - places[:, None, :] + window - 1
        self.register_buffer("index", (steps[0] * (2 * window - 1) + steps[1]).flatten())
        self.register_buffer("mask", self._mask(size, window, shift))

    @staticmethod
    def _mask(size, window, shift):
        bands = torch.zeros(size)
        bands[-window:] = 1
        bands[size - shift :] = 2 if shift else 1
        regions = (bands[:, None] * 3 + bands[None, :]).view(size // window, window, size // window, window)
        regions = regions.transpose(1, 2).reshape(-1, window**2)
        return (regions[:, None, :] != regions[:, :, None]).float() * (-100.0 if shift else 0.0)

    def forward(self, x):
        rows, size, _, width = x.shape
        w, count = self.window, size // self.window
        if self.shift:
            x = torch.roll(x, (-self.shift, -self.shift), (1, 2))
        x = x.view(rows, count, w, count, w, width).permute(0, 1, 3, 2, 4, 5).reshape(-1, w * w, width)
        qkv = self.qkv(x).view(-1, w * w, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        bias = self.table[self.index].view(w * w, w * w, self.heads).permute(2, 0, 1)
        scores = q @ k.transpose(-2, -1) * (width // self.heads) ** -0.5 + bias
        scores = scores.view(rows, count**2, self.heads, w * w, w * w) + self.mask[None, :, None]
        y = scores.view(-1, self.heads, w * w, w * w).softmax(-1) @ v
        y = self.out(y.transpose(1, 2).reshape(-1, w * w, width))
        y = y.view(rows, count, count, w, w, width).permute(0, 1, 3, 2, 4, 5).reshape(rows, size, size, width)
        return torch.roll(y, (self.shift, self.shift), (1, 2)) if self.shift else y


class Swin(nn.Module):
    def __init__(self, width=12, size=8):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 2, 2)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(4))
        self.attentions = nn.ModuleList(WindowAttention(width, 3, size, 4, shift) for shift in (0, 2))
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)) for _ in range(2)
        )
        self.merge, self.head = nn.Linear(4 * width, 2 * width, bias=False), nn.Linear(2 * width, 5)

    def forward(self, x):
        x = self.patches(x).permute(0, 2, 3, 1)
        for block in range(2):
            x = x + self.attentions[block](self.norms[2 * block](x))
            x = x + self.mlps[block](self.norms[2 * block + 1](x))
        quarters = [x[:, i::2, j::2] for j in range(2) for i in range(2)]
        return self.head(self.merge(torch.cat(quarters, -1)).mean((1, 2)))
