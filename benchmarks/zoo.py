"""Architectures as their libraries define them, with random weights, at the smallest size that each permits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

Maker = Callable[[], nn.Module]
Shapes = tuple[tuple[int, ...], ...]


def torchvision(name: str, part: str = "", **options: Any) -> Maker:
    def make() -> nn.Module:
        import torchvision

        found = getattr(getattr(torchvision.models, part) if part else torchvision.models, name)
        return found(weights=None, **options) if name.islower() or "_" in name else found(**options)

    return make


def small_head(maker: Maker, width: int) -> Maker:
    """The classifier of 100 million weights of AlexNet and VGG, which says nothing more, left out."""

    def make() -> nn.Module:
        module = maker()
        module.classifier = nn.Sequential(nn.Linear(width, 32), nn.ReLU(), nn.Dropout(), nn.Linear(32, 10))
        return module

    return make


class Only(nn.Module):
    """One output of a module that returns a dictionary, or one of several."""

    def __init__(self, body: nn.Module, key: Any, **given: Any) -> None:
        super().__init__()
        self.body, self.key, self.given = body, key, given

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x, **self.given)[self.key]


def only(maker: Maker, key: Any, **given: Any) -> Maker:
    return lambda: Only(maker(), key, **given)


def timm(name: str, **options: Any) -> Maker:
    def make() -> nn.Module:
        import timm as library

        return library.create_model(name, pretrained=False, num_classes=10, **options)

    return make


class Embedded(nn.Module):
    """A text model on its embeddings, so that its input is a float one."""

    def __init__(self, model: nn.Module, masked: bool) -> None:
        super().__init__()
        self.model, self.masked = model, masked

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        given = {"attention_mask": x.new_ones(x.shape[:2])} if self.masked else {}
        return self.model(inputs_embeds=x, return_dict=False, **given)[0]


def text(name: str, masked: bool = True, **config: Any) -> Maker:
    def make() -> nn.Module:
        import transformers

        settings = getattr(transformers, f"{name}Config")(vocab_size=32, attn_implementation="eager", **config)
        settings.use_cache = False
        found = f"{name}EncoderModel" if name in ("T5",) else f"{name}Model"
        return Embedded(getattr(transformers, found)(settings), masked)

    return make


def other(name: str, key: Any = 0, **config: Any) -> Maker:
    """A transformers model of pictures or sounds."""

    def make() -> nn.Module:
        import transformers

        settings = getattr(transformers, f"{name}Config")(attn_implementation="eager", **config)
        return Only(getattr(transformers, f"{name}Model")(settings), key, return_dict=False)

    return make


def picture(size: int) -> Shapes:
    return ((3, size, size),)


WORDS: Shapes = ((6, 24),)
BERT = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
LLAMA = {**BERT, "num_key_value_heads": 1}
VIT = {**BERT, "image_size": 32, "patch_size": 8}
PLAIN_VIT = {"image_size": 64, "patch_size": 16, "num_layers": 4, "num_heads": 4, "hidden_dim": 64, "mlp_dim": 128}
MAXVIT = {
    "input_size": (64, 64),
    "stem_channels": 16,
    "partition_size": 2,
    "block_channels": [16, 32],
    "block_layers": [1, 1],
    "head_dim": 8,
    "stochastic_depth_prob": 0.0,
}
SEGFORMER = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1], "decoder_hidden_size": 16}
WAV2VEC = {**BERT, "conv_dim": (8, 8), "conv_stride": (4, 2), "conv_kernel": (8, 3), "num_feat_extract_layers": 2}
T5 = {"d_model": 24, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 3}
BEIT = {"img_size": 64, "embed_dim": 48, "depth": 3, "num_heads": 3}

# name -> what makes it, the shape of one row of each input
ARCHITECTURES: dict[str, tuple[Maker, Shapes]] = {
    # torchvision
    "alexnet": (small_head(torchvision("alexnet"), 9216), picture(224)),
    "vgg11_bn": (small_head(torchvision("vgg11_bn"), 25088), picture(224)),
    "resnet18": (torchvision("resnet18"), picture(64)),
    "resnet50": (torchvision("resnet50"), picture(64)),
    "resnext50_32x4d": (torchvision("resnext50_32x4d"), picture(64)),
    "densenet121": (torchvision("densenet121"), picture(64)),
    "googlenet": (torchvision("googlenet", init_weights=False), picture(64)),
    "inception_v3": (torchvision("inception_v3", init_weights=False), picture(80)),
    "squeezenet1_1": (torchvision("squeezenet1_1"), picture(64)),
    "shufflenet_v2_x0_5": (torchvision("shufflenet_v2_x0_5"), picture(64)),
    "mobilenet_v2": (torchvision("mobilenet_v2"), picture(64)),
    "mobilenet_v3_small": (torchvision("mobilenet_v3_small"), picture(64)),
    "mnasnet0_5": (torchvision("mnasnet0_5"), picture(64)),
    "efficientnet_b0": (torchvision("efficientnet_b0"), picture(64)),
    "regnet_x_400mf": (torchvision("regnet_x_400mf"), picture(64)),
    "regnet_y_400mf": (torchvision("regnet_y_400mf"), picture(64)),
    "convnext_tiny": (torchvision("convnext_tiny"), picture(64)),
    "vit": (torchvision("VisionTransformer", **PLAIN_VIT), picture(64)),
    "swin_t": (torchvision("swin_t"), picture(64)),
    "swin_v2_t": (torchvision("swin_v2_t"), picture(64)),
    "maxvit": (torchvision("MaxVit", **MAXVIT), picture(64)),
    "fcn_resnet50": (only(torchvision("fcn_resnet50", "segmentation", weights_backbone=None), "out"), picture(64)),
    "deeplabv3_mobilenet_v3": (
        only(torchvision("deeplabv3_mobilenet_v3_large", "segmentation", weights_backbone=None), "out"),
        picture(64),
    ),
    "lraspp_mobilenet_v3": (
        only(torchvision("lraspp_mobilenet_v3_large", "segmentation", weights_backbone=None), "out"),
        picture(64),
    ),
    "r3d_18": (torchvision("r3d_18", "video"), ((3, 4, 32, 32),)),
    "r2plus1d_18": (torchvision("r2plus1d_18", "video"), ((3, 4, 32, 32),)),
    # timm
    "mixer_s32": (timm("mixer_s32_224", img_size=64), picture(64)),
    "resmlp_12": (timm("resmlp_12_224", img_size=64), picture(64)),
    "gmlp_ti16": (timm("gmlp_ti16_224", img_size=64), picture(64)),
    "deit_tiny_distilled": (timm("deit_tiny_distilled_patch16_224", img_size=64, depth=6), picture(64)),
    "cait_xxs24": (timm("cait_xxs24_224", img_size=64, depth=6), picture(64)),
    "xcit_nano_12": (timm("xcit_nano_12_p16_224", img_size=64), picture(64)),
    "beit": (timm("beit_base_patch16_224", **BEIT), picture(64)),
    "eva02_tiny": (timm("eva02_tiny_patch14_224", img_size=56, depth=4), picture(56)),
    "convit_tiny": (timm("convit_tiny", img_size=64), picture(64)),
    "crossvit_tiny": (timm("crossvit_tiny_240"), picture(240)),
    "coat_lite_tiny": (timm("coat_lite_tiny", img_size=64), picture(64)),
    "levit_128s": (timm("levit_128s", img_size=64), picture(64)),
    "mobilevit_xxs": (timm("mobilevit_xxs"), picture(64)),
    "mobilevitv2_050": (timm("mobilevitv2_050"), picture(64)),
    "edgenext_xx_small": (timm("edgenext_xx_small"), picture(64)),
    "efficientformer_l1": (timm("efficientformer_l1"), picture(224)),
    "poolformer_s12": (timm("poolformer_s12"), picture(64)),
    "pvt_v2_b0": (timm("pvt_v2_b0"), picture(64)),
    "twins_svt_small": (timm("twins_svt_small", img_size=64), picture(64)),
    "visformer_tiny": (timm("visformer_tiny", img_size=64), picture(64)),
    "nest_tiny": (timm("nest_tiny", img_size=128), picture(128)),
    "focalnet_tiny_srf": (timm("focalnet_tiny_srf"), picture(64)),
    "davit_tiny": (timm("davit_tiny"), picture(64)),
    "gcvit_xxtiny": (timm("gcvit_xxtiny", img_size=224), picture(224)),
    "convnextv2_atto": (timm("convnextv2_atto"), picture(64)),
    "inception_next_atto": (timm("inception_next_atto"), picture(64)),
    "fastvit_t8": (timm("fastvit_t8"), picture(64)),
    "repvgg_a0": (timm("repvgg_a0"), picture(64)),
    "mobileone_s0": (timm("mobileone_s0"), picture(64)),
    "mobilenetv4_conv_small": (timm("mobilenetv4_conv_small"), picture(64)),
    "ghostnet_100": (timm("ghostnet_100"), picture(64)),
    "hardcorenas_a": (timm("hardcorenas_a"), picture(64)),
    "lcnet_050": (timm("lcnet_050"), picture(64)),
    "rexnet_100": (timm("rexnet_100"), picture(64)),
    "res2net50": (timm("res2net50_26w_4s"), picture(64)),
    "resnest14d": (timm("resnest14d"), picture(64)),
    "skresnet18": (timm("skresnet18"), picture(64)),
    "seresnext26d": (timm("seresnext26d_32x4d"), picture(64)),
    "ecaresnet26t": (timm("ecaresnet26t"), picture(64)),
    "cspdarknet53": (timm("cspdarknet53"), picture(64)),
    "dla34": (timm("dla34"), picture(64)),
    "dpn68": (timm("dpn68"), picture(64)),
    "hrnet_w18_small": (timm("hrnet_w18_small"), picture(64)),
    "nfnet_l0": (timm("nfnet_l0"), picture(64)),
    "ese_vovnet19b_dw": (timm("ese_vovnet19b_dw"), picture(64)),
    "selecsls42": (timm("selecsls42"), picture(64)),
    "xception41": (timm("xception41"), picture(64)),
    "tresnet_m": (timm("tresnet_m"), picture(64)),
    "sequencer2d_s": (timm("sequencer2d_s", img_size=56), picture(56)),
    "halonet26t": (timm("halonet26t"), picture(256)),
    "botnet26t": (timm("botnet26t_256", img_size=64), picture(64)),
    "lambda_resnet26t": (timm("lambda_resnet26t"), picture(64)),
    "efficientvit_b0": (timm("efficientvit_b0"), picture(64)),
    "efficientvit_m0": (timm("efficientvit_m0"), picture(224)),
    "tiny_vit_5m": (timm("tiny_vit_5m_224"), picture(224)),
    "mambaout_femto": (timm("mambaout_femto"), picture(64)),
    "starnet_s1": (timm("starnet_s1"), picture(64)),
    "swiftformer_xs": (timm("swiftformer_xs"), picture(64)),
    # transformers
    "bert": (text("Bert", **BERT), WORDS),
    "distilbert": (text("DistilBert", dim=24, n_layers=2, n_heads=2, hidden_dim=48), WORDS),
    "albert": (text("Albert", embedding_size=24, **BERT), WORDS),
    "electra": (text("Electra", embedding_size=24, **BERT), WORDS),
    "deberta_v2": (text("DebertaV2", relative_attention=True, pos_att_type=["c2p", "p2c"], **BERT), WORDS),
    "gpt2": (text("GPT2", n_embd=24, n_layer=2, n_head=2), WORDS),
    "gpt_neox": (text("GPTNeoX", **BERT), WORDS),
    "llama": (text("Llama", **LLAMA), WORDS),
    "qwen2": (text("Qwen2", **LLAMA), WORDS),
    "t5_encoder": (text("T5", **T5), WORDS),
    "dinov2": (other("Dinov2", **VIT), picture(32)),
    "segformer": (other("Segformer", **SEGFORMER), picture(64)),
    "wav2vec2": (other("Wav2Vec2", num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2, **WAV2VEC), ((320,),)),
}
