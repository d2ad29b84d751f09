"""Configs of the repository, each read once and built once.

Checking 100 configs is cheap if each is read only once, and if models that
are only inspected have no weights.
"""
import copy
import functools
import json

import torch
import torch.nn.functional as F
from conftest import ROOT
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS, TRANSFORMS
from weightless import NoWeights

import alignmix_mm  # noqa: F401

FOLDER = ROOT / 'configs'
NAMES = sorted(
    path.relative_to(FOLDER).with_suffix('').as_posix()
    for path in FOLDER.rglob('*.py') if '_base_' not in path.parts)


@functools.cache
def _read(name):
    return Config.fromfile(FOLDER / f'{name}.py')


def read(name):
    """Return a copy of a config, which may be changed."""
    return copy.deepcopy(_read(name))


def build(cfg):
    """Build the model of a config, with weights."""
    init_default_scope(cfg.default_scope)
    model = copy.deepcopy(cfg.model)
    model.data_preprocessor = copy.deepcopy(cfg.data_preprocessor)
    return MODELS.build(model)


class OnlyShapes(NoWeights):
    """Passes through networks without weights."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is F.batch_norm:  # keeps shapes; slow on this device
            return args[0]
        return super().__torch_function__(func, types, args, kwargs)


@functools.cache
def structure(name):
    """Build the model without weights; it is shared, so do not change it."""
    with NoWeights():
        return build(_read(name)).to('meta').eval()


@functools.cache
def forward_shapes(name, size):
    """Shapes of the last feature map and the scores, without computing."""
    model, maps = structure(name), []
    listener = model.backbone.register_forward_hook(
        lambda module, args, output: maps.append(output[-1]))
    try:
        with OnlyShapes():
            scores = model(torch.empty(2, 3, size, size))
    finally:
        listener.remove()
    while not isinstance(maps[0], torch.Tensor):  # transformers nest them
        maps[0] = maps[0][-1]
    return tuple(maps[0].shape), tuple(scores.shape)


def run_pipeline(pipeline, pixels=None):
    """Apply a pipeline to a random image, leaving out the loading."""
    if pixels is None:
        pixels = torch.randint(0, 255, (300, 280, 3)).byte().numpy()
    data = dict(img=pixels, gt_label=1, sample_idx=0,
                img_shape=(300, 280), ori_shape=(300, 280))
    for options in pipeline:
        if not options['type'].startswith('LoadImage'):
            data = TRANSFORMS.build(options)(data)
    return data


@functools.cache
def image_size(name):
    """Size of the training images; 32 without a pipeline."""
    cfg = read(name)
    init_default_scope(cfg.default_scope)
    pipeline = cfg.train_dataloader.dataset.get('pipeline')
    return run_pipeline(pipeline)['inputs'].shape[-1] if pipeline else 32


def for_a_step(name):
    """A config with small images, halved as often as possible; their size."""
    cfg, size = read(name), image_size(name)
    if cfg.model.head.type == 'ACoLHead':  # most of its parameters
        cfg.model.head.mid_channels = 32
    if 'puzzlemix' in name and size == 224:
        size = 256  # blocks of half the size divide into cells too
    while size > 64 and _takes(name, size // 2):
        size //= 2
        if 'decoder' in cfg.model:  # each of its blocks doubles the image
            cfg.model.decoder.widths = cfg.model.decoder.widths[:-1]
    return cfg, size


def _takes(name, size):
    try:
        maps, _ = forward_shapes(name, size)
    except (AssertionError, RuntimeError, ValueError):
        return False  # Swin has windows in a grid
    return maps[2:] >= (3, 3) or len(maps) == 2  # there is something to align


def _strip(value):
    """Remove settings that change no operation of a step."""
    if isinstance(value, dict):
        return {key: _strip(item) for key, item in value.items() if key not in
                ('num_classes', 'init_cfg', 'modes', 'probs', 'alpha',
                 'drop_threshold')}
    return [_strip(item) for item in value] if isinstance(
        value, list | tuple) else value


def steps_to_take():
    """Choose configs that cover every network and every way of mixing.

    Mixup, CutMix and SaliencyMix are finished before the network starts, so
    one network is enough for them.
    """
    names, seen = [], set()
    for name in NAMES:
        if 'style' in name:  # their networks come without weights
            continue
        model = _strip(_read(name).model.to_dict())
        size = min(image_size(name), 65)  # larger ones are made smaller
        kinds = [[model, size]]
        if not model['type'].startswith('AlignMix'):
            augments = model.pop('train_cfg', None)
            kinds.append([model['type'], augments])
        kinds = {json.dumps(kind, sort_keys=True) for kind in kinds}
        if not kinds <= seen:
            names.append(name)
            seen |= kinds
    return names
