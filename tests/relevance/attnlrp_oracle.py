"""AttnLRP (Achtibat et al., ICML 2024) in torch, operation by operation: each passes relevance by its published rule.

Autograd carries relevance instead of gradients: every function below gives back what its rule gives its inputs.
"""

import torch
from torch import nn

EPSILON = 1e-6


def stable(z, epsilon=EPSILON):
    return z + torch.where(z < 0, -epsilon, epsilon)


class Linear(torch.autograd.Function):
    """x_j w_jk / z_k, by the definition, one sum per output."""

    @staticmethod
    def forward(ctx, x, weight, bias):
        z = x @ weight + bias
        ctx.save_for_backward(x, weight, z)
        return z

    @staticmethod
    def backward(ctx, relevance):
        x, weight, z = ctx.saved_tensors
        contributions = x.unsqueeze(-1) * weight
        return (contributions * (relevance / stable(z)).unsqueeze(-2)).sum(-1), None, None


class Softmax(torch.autograd.Function):
    """R_i = x_i (R_i - s_i sum_j R_j)."""

    @staticmethod
    def forward(ctx, x):
        s = x.softmax(-1)
        ctx.save_for_backward(x, s)
        return s

    @staticmethod
    def backward(ctx, relevance):
        x, s = ctx.saved_tensors
        made = x * (relevance - s * relevance.sum(-1, keepdim=True))
        return torch.where(s == 0, 0.0, made)


class Product(torch.autograd.Function):
    """R_ji = sum_p A_ji V_ip R_jp / (2 O_jp + eps), and the same for V."""

    @staticmethod
    def forward(ctx, a, v):
        o = a @ v
        ctx.save_for_backward(a, v, o)
        return o

    @staticmethod
    def backward(ctx, relevance):
        a, v, o = ctx.saved_tensors
        parts = a.unsqueeze(-1) * v.unsqueeze(-3) * (relevance / stable(2 * o)).unsqueeze(-2)
        return parts.sum(-1), parts.sum(-3)


class Halves(torch.autograd.Function):
    """A product of two numbers gives each factor half."""

    @staticmethod
    def forward(ctx, a, b):
        return a * b

    @staticmethod
    def backward(ctx, relevance):
        return relevance / 2, relevance / 2


class Sum(torch.autograd.Function):
    """a / (a + b)."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a + b

    @staticmethod
    def backward(ctx, relevance):
        a, b = ctx.saved_tensors
        s = relevance / stable(a + b)
        return a * s, b * s


class Identity(torch.autograd.Function):
    """An activation, or a division by what is held fixed."""

    @staticmethod
    def forward(ctx, x, function):
        return function(x)

    @staticmethod
    def backward(ctx, relevance):
        return relevance, None


class LayerNorm(torch.autograd.Function):
    """The numerator, scaled and shifted, as the linear layer that it is while the deviation is held fixed."""

    @staticmethod
    def forward(ctx, x, scale, shift, eps):
        deviation = (x.var(-1, unbiased=False, keepdim=True) + eps).sqrt()
        y = (x - x.mean(-1, keepdim=True)) / deviation * scale + shift
        ctx.save_for_backward(x, deviation, scale, y)
        return y

    @staticmethod
    def backward(ctx, relevance):
        x, deviation, scale, y = ctx.saved_tensors
        n = x.shape[-1]
        matrix = torch.eye(n, dtype=x.dtype) - 1 / n  # of centring, [in, out]
        contributions = x.unsqueeze(-1) * matrix * (scale / deviation).unsqueeze(-2)
        return (contributions * (relevance / stable(y)).unsqueeze(-2)).sum(-1), None, None, None


def dense(layer, x):
    weight = layer.weight.T if isinstance(layer, nn.Linear) else layer.weight
    bias = layer.bias if layer.bias is not None else torch.zeros((), dtype=x.dtype)
    return Linear.apply(x, weight, bias)


def biased(layer, x):
    """A product, and the bias as an addition of its own."""
    zero = torch.zeros((), dtype=x.dtype)
    return Sum.apply(Linear.apply(x, layer.weight, zero), layer.bias.expand(*x.shape[:-1], -1))


def norm(layer, x):
    return LayerNorm.apply(x, layer.weight, layer.bias, layer.eps)


def mean(x):
    """The mean over the last axis, which stays."""
    n = x.shape[-1]
    return Linear.apply(x, torch.full((n, 1), 1 / n, dtype=x.dtype), torch.zeros((), dtype=x.dtype))


def spelled_norm(layer, x):
    """LayerNorm step by step: the same but for a stabiliser at every sum."""
    n = x.shape[-1]
    centred = Linear.apply(x, torch.eye(n, dtype=x.dtype) - 1 / n, torch.zeros((), dtype=x.dtype))
    deviation = (centred.detach().pow(2).mean(-1, keepdim=True) + layer.eps).sqrt()
    scaled = Identity.apply(centred, lambda t: t / deviation * layer.weight)
    return Sum.apply(scaled, layer.bias.expand_as(x))


def attention(q, k, v, scale, mask=None):
    scores = Identity.apply(Product.apply(q, k.transpose(-2, -1)), lambda t: t * scale)
    if mask is not None:
        scores = Sum.apply(scores, mask.expand_as(scores))
    return Product.apply(Softmax.apply(scores), v)


def vit(net, image):
    """The sample vision transformer, with rules: patches, class token, blocks, head."""
    conv = net.patches
    n, (size, _) = len(image), conv.kernel_size
    columns = nn.functional.unfold(image, size, stride=size).transpose(1, 2)
    patches = Linear.apply(columns, conv.weight.flatten(1).T, conv.bias)
    x = torch.cat([net.class_token.expand(n, -1, -1), patches], 1)
    x = Sum.apply(x, net.position.expand(n, -1, -1))
    for block in net.blocks:
        old = block.attention
        qkv = biased(old.qkv, norm(block.norm1, x)).reshape(n, -1, 3, old.heads, old.head_width)
        mixed = attention(*qkv.permute(2, 0, 3, 1, 4).unbind(0), old.head_width**-0.5).transpose(1, 2)
        x = Sum.apply(x, biased(old.out, mixed.reshape(n, -1, old.heads * old.head_width)))
        hidden = Identity.apply(biased(block.fc1, norm(block.norm2, x)), nn.functional.gelu)
        x = Sum.apply(x, biased(block.fc2, hidden))
    return dense(net.head, norm(net.norm, x)[:, 0])


def relevance(function, net, x):
    """Relevance of each row's largest logit at x, in float64."""
    net, x = net.double(), x.double().requires_grad_()
    logits = function(net, x)
    start = logits * nn.functional.one_hot(logits.argmax(1), logits.shape[1])
    (made,) = torch.autograd.grad(logits, x, start.detach())
    net.float()
    return logits.detach().numpy(), made.numpy()
