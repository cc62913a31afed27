"""The table of networks that every torch exporter writes."""

from functools import partial

import torch

from tests.exporters import maps, pictures, sequences

# name -> what makes it, the shape of one row of each input
NETWORKS = {
    "efficientnet": (pictures.efficientnet, (3, 17, 17)),
    "regnet": (pictures.regnet, (3, 18, 18)),
    "shufflenet": (pictures.shufflenet, (3, 20, 20)),
    "inception": (pictures.Inception, (3, 19, 19)),
    "densenet": (pictures.densenet, (3, 32, 32)),
    "swin": (pictures.Swin, (3, 16, 16)),
    "adaptive pools": (maps.gradual, (3, 12, 10)),
    "torch encoder": (sequences.TorchEncoder, (5, 12)),
    "torch encoder, norm first": (partial(sequences.TorchEncoder, first=True), (5, 12)),
    "cross attention": (sequences.CrossAttention, (5, 12), (7, 12)),
    "einsum attention": (sequences.Einsums, (6, 8)),
    "mixer": (sequences.Mixer, (8, 6)),
    "bert": (sequences.bert, (6, 12)),
    "gpt2": (sequences.gpt2, (6, 12)),
    "lstm": (partial(sequences.Recurrent, "LSTM"), (5, 6)),
    "lstm both ways": (partial(sequences.Recurrent, "LSTM", both=True), (5, 6)),
    "gru": (partial(sequences.Recurrent, "GRU", both=True), (5, 6)),
    "rnn": (partial(sequences.Recurrent, "RNN"), (5, 6)),
    "wavenet": (sequences.WaveNet, (2, 16)),
    "unet nearest": (partial(maps.UNet, "nearest"), (3, 12, 16)),
    "unet bilinear": (partial(maps.UNet, "bilinear"), (3, 12, 16)),
    "unet to size": (partial(maps.UNet, "to size"), (3, 14, 11)),
    "unet transposed": (partial(maps.UNet, "transposed"), (3, 12, 16)),
    "dilated pyramid": (maps.Pyramid, (3, 24, 20)),
    "detection head": (maps.Detector, (3, 16, 16)),
    "super resolution": (maps.super_resolution, (3, 9, 8)),
    "autoencoder": (maps.autoencoder, (3, 16, 16)),
    "group and instance norm": (maps.norms, (3, 11, 11)),
    "volumes": (maps.volumes, (1, 8, 8, 8)),
}
FROM_TRANSFORMERS = ("bert", "gpt2")


def network(name, seed=0):
    """A network in inference mode; its BatchNormalization statistics are those of random rows."""
    torch.manual_seed(seed)
    make, *shapes = NETWORKS[name]
    module = make().train()
    with torch.no_grad():
        module(*rows(shapes, 16))
    return module.eval()


def rows(shapes, count):
    """Random rows of each input: a tuple of float32 tensors [count, *shape]."""
    return tuple(torch.randn(count, *shape) for shape in shapes)
