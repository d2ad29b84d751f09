"""The config that all runs share: data, network, optimizer."""
import argparse
import copy
import functools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS

from ..common import load_config
from ..finetune.methods import find_method
from ..finetune.networks import find_network
from ..finetune.photos import find_photos
from ..finetune.recipe import require_plain, write_config
from ..finetune.weights import find_weights

FILE = 'base.py'
# they change the method, or look at a validation
_DROPPED = ('MixSchedule', 'SwitchRecipeHook', 'EarlyStoppingHook')
_OF_AE = ('decoder', 'loss_weight', 'reduction', 'kl_weight')
_NEEDED = ('model', 'train_dataloader', 'optim_wrapper', 'test_dataloader')


@dataclass(frozen=True)
class Base:
    """What all runs share.

    Attributes:
        cfg (Config): Without a method, a schedule and a length.
        size (int): Rows and columns of the images.
        steps_per_epoch (int): Batches of an epoch.
        remedy (str): How to get a validation set.
    """

    cfg: Config
    size: int
    steps_per_epoch: int
    remedy: str

    @property
    def scale(self) -> dict[str, list[float] | None]:
        """Mean and standard deviation of the pixels, as configs have them."""
        return {key: self.cfg.data_preprocessor.get(key)
                for key in ('mean', 'std')}

    @functools.cached_property
    def test_images(self) -> int:
        """How many images the test has."""
        return len(DATASETS.build(
            self.cfg.test_dataloader.dataset.to_dict()))


def read_base(args: argparse.Namespace) -> Base:
    """Make the config that all runs share.

    Args:
        args (Namespace): Parsed options.

    Returns:
        Base: What they share. Mistakes end the process with a sentence.
    """
    source, remedy = args.source, (
        'Give the config a val_dataloader.dataset of its own, split off the '
        'training images')
    if Path(source).is_dir():
        remedy = f'Put the images of the test into {source}/test'
        source = _write_base(args)
    cfg = load_config(argparse.Namespace(
        config=str(source), work_dir=str(args.work_dir), amp=False,
        cfg_options=args.cfg_options, no_pin_memory=False, launcher='none',
        trust_checkpoint=args.trust_checkpoint, local_rank=0),
        ['train_dataloader', 'val_dataloader', 'test_dataloader'])
    _use_validation(cfg)
    missing = [name for name in _NEEDED if cfg.get(name) is None]
    if missing:
        sys.exit(f'{args.source} has no {", ".join(missing)}: expected the '
                 'config of a training, with a test.')
    _without_method(cfg)
    if args.lr is not None:
        cfg.optim_wrapper.optimizer.lr = args.lr
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    if not len(loader):
        sys.exit(f'A batch has {loader.batch_size} images, more than the '
                 f'{len(loader.dataset)} for training. Take '
                 'fewer: --batch-size N with a folder, --cfg-options '
                 'train_dataloader.batch_size=N with a config.')
    size = max(loader.dataset[0]['inputs'].shape[-2:])
    return Base(cfg, size, len(loader), remedy)


def pipelines(dataset: dict) -> Iterator[list]:
    """Transforms of a data set, and of those inside it.

    Args:
        dataset (dict): Config of the data set.

    Yields:
        list: Configs of transforms, those of ``dataset`` itself.
    """
    inner = [dataset['dataset']] if 'dataset' in dataset else dataset.get(
        'datasets', [])
    for part in inner:
        yield from pipelines(part)
    if dataset.get('pipeline'):
        yield dataset['pipeline']


def without_weights(model: dict[str, Any]) -> dict[str, Any]:
    """Remove the weights of a network; its run starts from a file.

    Args:
        model (dict): Config of a classifier, changed in place.

    Returns:
        dict: The same.
    """
    model.pop('pretrained', None)
    for part in (model, model['backbone']):
        given = part.get('init_cfg')
        if isinstance(given, dict) and given.get('type') == 'Pretrained':
            part.pop('init_cfg')
    return model


def _write_base(args: argparse.Namespace) -> Path:
    """Write the config of a folder of photos, without a method."""
    photos = find_photos(Path(args.source), args.val_share)
    network = find_network(args.model, len(photos.classes), args.size)
    folder = args.work_dir
    weights = args.pretrained and find_weights(args.pretrained, network)
    text = write_config(
        photos, network, find_method('none'), weights and weights.source,
        epochs=1, batch_size=args.batch_size, size=args.size, lr=args.lr,
        workers=args.workers, seed=0)
    for note in photos.notes:
        print(note)
    require_plain(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if weights:
        weights.write(folder)
    (folder / FILE).write_text(text)
    return folder / FILE


def _use_validation(cfg: Config) -> None:
    """Let a config without a test have the one of its validation."""
    if cfg.get('test_dataloader') is None:
        cfg.test_dataloader = copy.deepcopy(cfg.get('val_dataloader'))
    dataset = (cfg.test_dataloader or {}).get('dataset') or {}
    if _name(dataset) == 'OODTestSets':
        cfg.test_dataloader.dataset = dataset.known


def _without_method(cfg: Config) -> None:
    model = cfg.model
    given = model.pop('data_preprocessor', None) or cfg.get(
        'data_preprocessor') or {}
    given.pop('batch_augments', None)
    head = model.get('head') or {}
    if not given.get('num_classes') and head.get('num_classes'):
        given['num_classes'] = head.num_classes  # for one-hot labels
    cfg.data_preprocessor = given
    model.pop('train_cfg', None)
    if _name(model) == 'AlignMixAEClassifier':
        model.type = 'AlignMixClassifier'
        for key in _OF_AE:
            model.pop(key, None)
    head.pop('cal_acc', None)  # which mixed labels do not have
    (head.get('loss') or {}).pop('use_soft', None)
    cfg.custom_hooks = [hook for hook in cfg.get('custom_hooks') or []
                        if _name(hook) not in _DROPPED]


def _name(settings: dict[str, Any]) -> str:
    kind = settings.get('type', '')
    return str(getattr(kind, '__name__', kind)).split('.')[-1]
