"""Small torch networks with random weights, one for each way that classifiers are built."""

import torch
from torch import nn
from torch.nn import functional as F


def vgg():
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Dropout(), nn.Linear(32, 10)),
    )


class Residual(nn.Module):
    def __init__(self, inner, outer, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inner, outer, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outer),
            nn.ReLU(),
            nn.Conv2d(outer, outer, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outer),
        )
        self.skip = nn.Identity() if stride == 1 and inner == outer else nn.Conv2d(inner, outer, 1, stride)

    def forward(self, x):
        return F.relu(self.body(x) + self.skip(x))


def resnet():
    stem = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    blocks = (Residual(8, 8, 1), Residual(8, 16, 2))
    return nn.Sequential(stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))


class Dense(nn.Module):
    def __init__(self, inner, growth):
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(inner), nn.Conv2d(inner, growth, 3, padding=1, bias=False)

    def forward(self, x):
        return torch.cat([x, self.conv(F.relu(self.norm(x)))], 1)


def densenet():
    pool = nn.AvgPool2d(3, 2, padding=1)  # the padding is counted
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), Dense(8, 4), Dense(12, 4), nn.Conv2d(16, 8, 1), pool),
        *(Dense(8, 4), Dense(12, 4), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Linear(16, 10),
    )


class Inverted(nn.Module):
    """Expand, depthwise convolution, squeeze and excitation, project."""

    def __init__(self, inner, outer, stride, act):
        super().__init__()
        wide = 3 * inner
        self.act, self.skip = act, stride == 1 and inner == outer
        self.expand = nn.Sequential(nn.Conv2d(inner, wide, 1, bias=False), nn.BatchNorm2d(wide))
        self.depth = nn.Sequential(nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False), nn.BatchNorm2d(wide))
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(wide, 4, 1), nn.ReLU(), nn.Conv2d(4, wide, 1), nn.Hardsigmoid()
        )
        self.project = nn.Conv2d(wide, outer, 1)

    def forward(self, x):
        y = self.act(self.depth(self.act(self.expand(x))))
        y = self.project(y * self.gate(y))
        return x + y if self.skip else y


def mobilenet():
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, 2, 1), nn.Hardswish(), Inverted(8, 8, 1, nn.ReLU6()), Inverted(8, 12, 2, nn.Hardswish())),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 24), nn.Hardswish(), nn.Linear(24, 10)),
    )


def mlp():
    return nn.Sequential(
        *(nn.Linear(20, 32), nn.Tanh(), nn.Linear(32, 32), nn.ELU(), nn.Linear(32, 32), nn.LeakyReLU(0.2)),
        *(nn.Linear(32, 16), nn.SiLU(), nn.Linear(16, 16), nn.Softplus(), nn.Linear(16, 5), nn.LogSoftmax(-1)),
    )


class Fire(nn.Module):
    def __init__(self, inner, squeeze, outer):
        super().__init__()
        self.squeeze = nn.Conv2d(inner, squeeze, 1)
        self.small, self.large = nn.Conv2d(squeeze, outer, 1), nn.Conv2d(squeeze, outer, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.small(x)), F.relu(self.large(x))], 1)


def squeezenet():
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True), Fire(8, 4, 6)),
        *(nn.MaxPool2d(3, 2, ceil_mode=True), Fire(12, 4, 8), nn.Conv2d(16, 10, 1), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    )


class Attention(nn.Module):
    """Self-attention; fused as torch offers it, or written out, with every third key masked."""

    def __init__(self, width, heads, fused):
        super().__init__()
        self.heads, self.fused = heads, fused
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        rows, length, width = x.shape
        split = self.qkv(x).reshape(rows, length, 3, self.heads, width // self.heads)
        q, k, v = split.permute(2, 0, 3, 1, 4).unbind(0)
        if self.fused:
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            hidden = torch.arange(length) % 3 == 2
            scores = q @ k.transpose(-2, -1) / (width // self.heads) ** 0.5
            y = torch.softmax(scores.masked_fill(hidden, torch.finfo(x.dtype).min), -1) @ v
        return self.out(y.transpose(1, 2).reshape(rows, length, width))


class Block(nn.Module):
    """A transformer encoder's block, with the norms before its parts or behind them."""

    def __init__(self, width, heads, act, first):
        super().__init__()
        self.first = first
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, fused=first)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), act, nn.Linear(2 * width, width))

    def forward(self, x):
        if self.first:
            x = x + self.attention(self.norm1(x))
            return x + self.mlp(self.norm2(x))
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.mlp(x))


class VisionTransformer(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.place = nn.Parameter(torch.randn(1, 26, width))
        self.blocks = nn.Sequential(*(Block(width, 4, nn.GELU(), first=True) for _ in range(2)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.place
        return self.head(self.norm(self.blocks(x))[:, 0])


class TextEncoder(nn.Module):
    """A BERT-like encoder on embeddings, with its pooler."""

    def __init__(self, width=16):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.blocks = nn.Sequential(*(Block(width, 2, nn.GELU("tanh"), first=False) for _ in range(2)))
        self.pooler, self.head = nn.Linear(width, width), nn.Linear(width, 3)

    def forward(self, x):
        x = self.blocks(self.norm(x))
        return self.head(torch.tanh(self.pooler(x[:, 0])) + x.mean(1))


class NextBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.depth, self.norm = nn.Conv2d(width, width, 5, padding=2, groups=width), nn.LayerNorm(width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.scale = nn.Parameter(torch.rand(width))

    def forward(self, x):
        y = self.norm(self.depth(x).permute(0, 2, 3, 1))
        y = self.scale * self.narrow(F.gelu(self.wide(y)))
        return x + y.permute(0, 3, 1, 2)


def convnext():
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 4, 4), NextBlock(8), nn.Conv2d(8, 12, 2, 2), NextBlock(12)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(12), nn.Linear(12, 10)),
    )


# name -> what makes it, and the shape of one row
ARCHITECTURES = {
    "vgg": (vgg, (3, 16, 16)),
    "resnet": (resnet, (3, 33, 33)),
    "densenet": (densenet, (3, 14, 14)),
    "mobilenet": (mobilenet, (3, 18, 18)),
    "mlp": (mlp, (20,)),
    "squeezenet": (squeezenet, (3, 34, 34)),
    "vision transformer": (VisionTransformer, (3, 20, 20)),
    "text encoder": (TextEncoder, (7, 16)),
    "convnext": (convnext, (3, 24, 24)),
}


def network(name, seed):
    """A network in inference mode; its BatchNormalization statistics are those of random rows."""
    torch.set_num_threads(1)  # its threads go on spinning beside what runs next
    torch.manual_seed(seed)
    make, shape = ARCHITECTURES[name]
    module = make().train()
    with torch.no_grad():
        module(torch.randn(32, *shape))
    return module.eval()
