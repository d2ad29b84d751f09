"""Shared by the training benchmarks: networks, optimizers, options."""
import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.runner import set_random_seed
from mmpretrain.registry import MODELS
from torch import nn

import alignmix_mm  # noqa: F401

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
# name: (images in a batch, rows and columns of an image)
SHAPES = {
    'r18_cifar10': (128, 32),
    'r18_cifar100': (128, 32),
    'r50_imagenet': (100, 224),
}
FILES = {
    'baseline': 'baselines/baseline_{}.py',
    'alignmix': 'alignmix_{}.py',
}
DTYPES = {'off': None, 'bf16': 'bfloat16', 'fp16': 'float16'}


class CpuAmpOptimWrapper(OptimWrapper):
    """``AmpOptimWrapper`` in bfloat16 for the CPU, which MMEngine refuses."""

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast the forward pass.

        Args:
            model (nn.Module): The network.
        """
        with super().optim_context(model):
            with torch.autocast('cpu', torch.bfloat16):
                yield


def make_parser(doc: str) -> argparse.ArgumentParser:
    """Make a parser with the options that all training benchmarks share.

    Args:
        doc (str): Description.

    Returns:
        argparse.ArgumentParser: The parser.
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--config', choices=SHAPES, default='r18_cifar10')
    parser.add_argument('--batch', type=int, help="default: the paper's")
    parser.add_argument('--size', type=int, help="default: the paper's")
    parser.add_argument(
        '--device', type=torch.device,
        default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--name', help='name of the file in results')
    return parser


def parse(parser: argparse.ArgumentParser, kind: str) -> argparse.Namespace:
    """Parse the options, and fill in those that depend on others.

    Args:
        parser (argparse.ArgumentParser): Parser with ``--amp``.
        kind (str): First word of the result's name.

    Returns:
        argparse.Namespace: The options.
    """
    args = parser.parse_args()
    if args.amp == 'fp16' and args.device.type == 'cpu':
        parser.error('--amp fp16 needs a GPU; on the CPU use bf16.')
    batch, size = SHAPES[args.config]
    args.batch, args.size = args.batch or batch, args.size or size
    words = [kind, args.config, args.device.type]
    words += [args.amp] if args.amp != 'off' else []
    args.name = args.name or '_'.join(words)
    return args


def load(network: str, name: str, backend: str) -> Config:
    """Load a config.

    Args:
        network (str): A key of ``FILES``.
        name (str): A key of ``SHAPES``.
        backend (str): Backend of the transport, for a network that has it.

    Returns:
        Config: The config.
    """
    cfg = Config.fromfile(CONFIGS / FILES[network].format(name))
    if cfg.model.neck.type == 'AlignMixNeck':
        cfg.model.neck.backend = backend
    return cfg


def build(cfg: Config, device: torch.device, seed: int = 0) -> nn.Module:
    """Build and initialize the network of a config, for training.

    Args:
        cfg (Config): The config.
        device (torch.device): Device of the network.
        seed (int): Seed of everything. Defaults to 0.

    Returns:
        nn.Module: The network.
    """
    torch.backends.cudnn.benchmark = cfg.env_cfg.cudnn_benchmark
    # init_weights would log every parameter
    MMLogger.get_current_instance().setLevel(logging.WARNING)
    set_random_seed(seed)
    model = MODELS.build(
        {**cfg.model, 'data_preprocessor': cfg.data_preprocessor})
    model.init_weights()
    return model.to(device).train()


def make_wrapper(model: nn.Module, lr: float, amp: str,
                 device: torch.device) -> OptimWrapper:
    """Make the optimizer of the configs, SGD with momentum.

    Args:
        model (nn.Module): The network.
        lr (float): Learning rate.
        amp (str): A key of ``DTYPES``.
        device (torch.device): Device of the network.

    Returns:
        OptimWrapper: The optimizer, with autocast unless ``amp`` is off.
    """
    optimizer = torch.optim.SGD(
        model.parameters(), lr, momentum=.9, weight_decay=1e-4)
    if DTYPES[amp] is None:
        return OptimWrapper(optimizer)
    if device.type == 'cpu':
        return CpuAmpOptimWrapper(optimizer)
    return AmpOptimWrapper(dtype=DTYPES[amp], optimizer=optimizer)


def synchronize(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
