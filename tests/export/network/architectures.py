"""Networks that people have, out of MONAI and transformers: small versions with random weights.

Each entry is an image shape and a factory. Some are in full size where they have no smaller one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import monai.networks.nets as monai
import torch
import transformers
from torch import nn

hf: Any = transformers  # its configurations take arguments that their signatures do not list
Shape = tuple[int, int, int, int]
GREY, COLOUR = (1, 1, 64, 64), (1, 3, 64, 64)

ARCHITECTURES: dict[str, tuple[Shape, Callable[[], nn.Module]]] = {
    "DenseNet121": (GREY, lambda: monai.DenseNet121(2, 1, 4)),
    "BasicUNet": (GREY, lambda: monai.BasicUNet(2, 1, 2, features=(8, 8, 16, 16, 32, 8))),
    "UNet": (GREY, lambda: monai.UNet(2, 1, 2, (8, 16, 32), (2, 2), num_res_units=2)),
    "AttentionUnet": (GREY, lambda: monai.AttentionUnet(2, 1, 2, (8, 16, 32), (2, 2))),
    "SegResNet": (GREY, lambda: monai.SegResNet(2, 8, 1, 2)),
    "SEResNet50": (COLOUR, lambda: monai.SEResNet50(spatial_dims=2, in_channels=3, num_classes=4)),
    "ResNet18": (GREY, lambda: monai.resnet18(spatial_dims=2, n_input_channels=1, num_classes=4)),
    "EfficientNetBN": (
        COLOUR,
        lambda: monai.EfficientNetBN("efficientnet-b0", pretrained=False, spatial_dims=2, num_classes=4),
    ),
    "ViT": (
        GREY,
        lambda: monai.ViT(
            1, (64, 64), (16, 16), 48, 96, 2, 4, classification=True, num_classes=4, spatial_dims=2, post_activation=""
        ),
    ),
    "FlexibleUNet": (COLOUR, lambda: monai.FlexibleUNet(3, 2, "efficientnet-b0", spatial_dims=2)),
    "DynUNet": (GREY, lambda: monai.DynUNet(2, 1, 2, [3, 3, 3], [1, 2, 2], [2, 2], filters=[8, 16, 32])),
    "SwinUNETR": (GREY, lambda: monai.SwinUNETR(1, 2, feature_size=12, spatial_dims=2)),
    "HighResNet": (GREY, lambda: monai.HighResNet(2, 1, 2)),
    "VNet": (GREY, lambda: monai.VNet(2, 1, 2)),
    "MedNeXt": (GREY, lambda: monai.MedNeXtS(spatial_dims=2, in_channels=1, out_channels=2)),
    "transformers ResNet": (
        COLOUR,
        lambda: hf.ResNetForImageClassification(
            hf.ResNetConfig(num_labels=4, hidden_sizes=[16, 32], depths=[1, 1], embedding_size=16)
        ),
    ),
    "ConvNeXt": (
        COLOUR,
        lambda: hf.ConvNextForImageClassification(
            hf.ConvNextConfig(num_labels=4, hidden_sizes=[16, 32], depths=[1, 1], num_stages=2)
        ),
    ),
    "MobileNetV2": (
        COLOUR,
        lambda: hf.MobileNetV2ForImageClassification(hf.MobileNetV2Config(num_labels=4, image_size=64)),
    ),
    "RegNet": (
        COLOUR,
        lambda: hf.RegNetForImageClassification(
            hf.RegNetConfig(num_labels=4, hidden_sizes=[16, 32], depths=[1, 1], groups_width=8, embedding_size=16)
        ),
    ),
    "SegFormer": (
        COLOUR,
        lambda: hf.SegformerForSemanticSegmentation(
            hf.SegformerConfig(
                num_labels=4, depths=[1, 1, 1, 1], hidden_sizes=[8, 16, 24, 32], decoder_hidden_size=16,
                num_attention_heads=[1, 2, 2, 4],
            )
        ),
    ),
    "Swin": (
        COLOUR,
        lambda: hf.SwinForImageClassification(
            hf.SwinConfig(num_labels=4, image_size=64, embed_dim=12, depths=[2, 2], num_heads=[2, 4], window_size=4)
        ),
    ),
    "DeiT": (
        COLOUR,
        lambda: hf.DeiTForImageClassification(
            hf.DeiTConfig(
                num_labels=4, image_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                intermediate_size=64,
            )
        ),
    ),
    "Swinv2": (
        COLOUR,
        lambda: hf.Swinv2ForImageClassification(
            hf.Swinv2Config(num_labels=4, image_size=64, embed_dim=12, depths=[2, 2], num_heads=[2, 4], window_size=4)
        ),
    ),
    "MobileViTV2": (
        COLOUR,
        lambda: hf.MobileViTV2ForImageClassification(hf.MobileViTV2Config(num_labels=4, image_size=64)),
    ),
    "MobileViT": (
        COLOUR,
        lambda: hf.MobileViTForImageClassification(
            hf.MobileViTConfig(
                num_labels=4, image_size=64, hidden_sizes=[16, 24, 32], neck_hidden_sizes=[16, 16, 16, 16, 16, 16, 32]
            )
        ),
    ),
    "ConvNeXtV2": (
        COLOUR,
        lambda: hf.ConvNextV2ForImageClassification(
            hf.ConvNextV2Config(num_labels=4, hidden_sizes=[16, 32], depths=[1, 1], num_stages=2)
        ),
    ),
}  # fmt: skip


def build(name: str) -> tuple[nn.Module, Shape]:
    """A network with random weights and the statistics that its normalisation sees over random images."""
    shape, make = ARCHITECTURES[name]
    torch.manual_seed(0)
    network = make()
    module: Any
    for module in network.modules():
        if hasattr(module, "inplace"):
            module.inplace = False  # tests look at what it would overwrite
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the average over all that it has seen
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
    network.train()
    with torch.no_grad():
        for _ in range(2):
            network(smooth_images(4, shape))
    torch.manual_seed(1)
    return network.eval(), shape


def smooth_images(count: int, shape: Shape) -> torch.Tensor:
    """Random images that differ more from pixel block to pixel block than within."""
    coarse = torch.rand(count, shape[1], 9, 9)
    return nn.functional.interpolate(coarse, shape[2:], mode="bicubic") + 0.3 * torch.randn(count, *shape[1:])
