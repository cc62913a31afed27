"""Small torch networks that return maps, boxes, pictures or volumes' classes: not one vector of classes per picture."""

import torch
from torch import nn
from torch.nn import functional as F

from tests.exporters.pictures import conv, head


class UNet(nn.Module):
    """Down and up again, with skips. up: how the size is doubled: "nearest", "bilinear", "transposed" or "to size"."""

    def __init__(self, up):
        super().__init__()
        self.up = up
        self.first, self.second, self.third = conv(3, 6), conv(6, 8), conv(8, 10)
        self.rise = nn.ModuleList([nn.ConvTranspose2d(10, 10, 2, 2), nn.ConvTranspose2d(8, 8, 4, 2, 1, bias=False)])
        self.back, self.out = nn.ModuleList([conv(18, 8), conv(14, 6)]), nn.Conv2d(6, 2, 1)

    def _doubled(self, x, level, like):
        if self.up == "transposed":
            return self.rise[level](x)
        if self.up == "to size":
            return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=True)
        corners = {"align_corners": False} if self.up == "bilinear" else {}
        return F.interpolate(x, scale_factor=2, mode=self.up, **corners)

    def forward(self, x):
        a = self.first(x)
        b = self.second(F.max_pool2d(a, 2))
        y = self.third(F.max_pool2d(b, 2))
        y = self.back[0](torch.cat([self._doubled(y, 0, b), b], 1))
        return self.out(self.back[1](torch.cat([self._doubled(y, 1, a), a], 1)))


class Detector(nn.Module):
    """An anchor-free head on two levels: scores and boxes of every place, before non-maximum suppression."""

    def __init__(self, size=16):
        super().__init__()
        self.levels = nn.ModuleList([conv(3, 8, 3, 2, act=nn.SiLU), conv(8, 8, 3, 2, act=nn.SiLU)])
        self.heads = nn.ModuleList(nn.Conv2d(8, 4 + 1 + 3, 1) for _ in range(2))
        for level in range(2):
            line = torch.arange(size >> (level + 1))
            places = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1).view(1, -1, 2).float()
            self.register_buffer(f"grid{level}", places)

    def forward(self, x):
        boxes, scores = [], []
        for level in range(2):
            x = self.levels[level](x)
            y = self.heads[level](x).flatten(2).transpose(1, 2)
            stride = 2 ** (level + 1)
            centre = (y[..., :2].sigmoid() * 2 - 0.5 + getattr(self, f"grid{level}")) * stride
            extent = y[..., 2:4].exp() * stride
            boxes.append(torch.cat([centre - extent / 2, centre + extent / 2], -1))
            scores.append(y[..., 5:].sigmoid() * y[..., 4:5].sigmoid())
        return torch.cat(boxes, 1), torch.cat(scores, 1)


class Pyramid(nn.Module):
    """Segmentation: dilated convolutions and a pooled branch side by side, enlarged to the picture's size."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(conv(3, 8, 3, 2), conv(8, 8, 3, 2))
        self.dilated = nn.ModuleList(nn.Conv2d(8, 4, 3, padding=d, dilation=d) for d in (1, 2, 3))
        self.pooled, self.out = nn.Conv2d(8, 4, 1), nn.Conv2d(16, 3, 1)

    def forward(self, x):
        y = self.stem(x)
        pooled = F.interpolate(F.relu(self.pooled(F.adaptive_avg_pool2d(y, 1))), size=y.shape[2:], mode="bilinear")
        y = self.out(torch.cat([*(F.relu(branch(y)) for branch in self.dilated), pooled], 1))
        return F.interpolate(y, size=x.shape[2:], mode="bilinear", align_corners=False)


def super_resolution():
    enlarge = (nn.Conv2d(8, 12, 3, padding=1), nn.PixelShuffle(2), nn.Tanh())
    return nn.Sequential(nn.ReflectionPad2d(2), nn.Conv2d(3, 8, 5), nn.PReLU(8), *enlarge)


def autoencoder():
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 3, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(6, 8, 3, 2, 1), nn.Tanh(), nn.Flatten()),
        *(nn.Linear(8 * 4 * 4, 6), nn.ELU(), nn.Linear(6, 8 * 4 * 4), nn.Unflatten(1, (8, 4, 4))),
        *(
            nn.ConvTranspose2d(8, 6, 3, 2, 1, output_padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(6, 3, 4, 2, 1),
            nn.Sigmoid(),
        ),
    )


def norms():
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(4, 8), nn.SiLU(), nn.Conv2d(8, 8, 3, 2, 1)),
        *(nn.InstanceNorm2d(8, affine=True), nn.Mish(), nn.ZeroPad2d((1, 2, 0, 1)), nn.Conv2d(8, 6, 3)),
        *(
            nn.InstanceNorm2d(6),
            nn.Softplus(),
            nn.GroupNorm(1, 6),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
            nn.Linear(6, 4),
        ),
    )


def volumes():
    return nn.Sequential(
        *(nn.Conv3d(1, 4, 3, padding=1, bias=False), nn.BatchNorm3d(4), nn.ReLU(), nn.MaxPool3d(2)),
        *(
            nn.Conv3d(4, 6, (1, 3, 3), (1, 2, 2), padding=(0, 1, 1)),
            nn.ReLU(),
            nn.Conv3d(6, 8, (3, 1, 1), padding=(1, 0, 0)),
        ),
        *(nn.ReLU(), nn.AvgPool3d((2, 1, 1)), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(8, 3)),
    )


def gradual():
    """Pools with a fixed number of bins, and a head that takes the largest."""
    return nn.Sequential(conv(3, 8), nn.AdaptiveAvgPool2d((3, 2)), nn.Conv2d(8, 6, 1), nn.Hardswish(), head(6))
