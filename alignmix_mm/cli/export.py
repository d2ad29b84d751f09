"""Write a trained network as ONNX.

`alignmix export CKPT --onnx OUT.onnx`. Its input are RGB pixels from 0 to 255;
normalization and the order of channels are part of the network, loading and
resizing are not. The metadata of the file say so, and name the classes. With
onnxruntime installed, outputs are compared with torch's.
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
    parser.add_argument('checkpoint', help='checkpoint of `alignmix train`')
    parser.add_argument(
        '--onnx', type=Path, required=True, metavar='OUT', help='the new file')
    parser.add_argument(
        '--size', type=int, metavar='N', help='rows and columns of the '
        'images; default: those of the test')
    parser.add_argument(
        '--dynamic-batch', action='store_true',
        help='take any number of images at once; default: one')
    parser.add_argument(
        '--config', help='config of the network; default: that in the '
        'checkpoint')
    add_weights_options(parser)
    args = parser.parse_args(argv)
    if args.size is not None and args.size < 1:
        parser.error(f'--size has to be at least 1, but is {args.size}')
    if importlib.util.find_spec('onnx') is None:
        sys.exit('`alignmix export` needs the package onnx: '
                 'pip install onnx onnxruntime')
    return args


main = parse_then_run(parse_args, 'exporting')
