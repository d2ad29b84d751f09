"""Write a trained network as ONNX.

`alignmix export CKPT --onnx OUT.onnx`. The input is RGB pixels from 0 to 255.
The file includes normalization and the order of channels, but not loading and
resizing. Its metadata describes this and lists the class names. If onnxruntime
is installed, the outputs are compared with those of torch.
"""
import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from .options import add_weights_options, make_parser, parse_then_run


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser('export', __doc__)
    parser.add_argument('checkpoint', help='checkpoint from `alignmix train`')
    parser.add_argument(
        '--onnx', type=Path, required=True, metavar='OUT',
        help='file to write')
    parser.add_argument(
        '--size', type=int, metavar='N', help='height and width of the '
        'images; default: as in the test')
    parser.add_argument(
        '--dynamic-batch', action='store_true',
        help='accept batches of any size; default: one image')
    parser.add_argument(
        '--config', help='config of the network; default: the one in the '
        'checkpoint')
    add_weights_options(parser)
    args = parser.parse_args(argv)
    if args.size is not None and args.size < 1:
        parser.error(f'--size must be at least 1, got {args.size}')
    if importlib.util.find_spec('onnx') is None:
        sys.exit('`alignmix export` needs the package onnx, which is not '
                 'installed: pip install onnx onnxruntime')
    return args


main = parse_then_run(parse_args, 'exporting')
