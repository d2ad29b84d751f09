"""Summarize a run before its first step."""
from collections.abc import Iterable, Iterator

from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmpretrain.registry import HOOKS
from torch import nn

from ...datasets.class_folders import listed
from ...mixing import MixMethod

SHOWN = 'shown'  # attribute of log records meant for the terminal


@HOOKS.register_module()
class SummaryHook(Hook):
    """Log data, network, method, schedule and folder, one line each."""

    priority = 'VERY_LOW'

    def before_train(self, runner: Runner) -> None:
        """Log the summary.

        Args:
            runner (Runner): The runner, after resuming.
        """
        model = getattr(runner.model, 'module', runner.model)
        _log(runner, [
            *_data(runner), *_network(runner, model), *_method(model),
            *_schedule(runner), ('folder', runner.work_dir)])

    def after_train(self, runner: Runner) -> None:
        """Log the paths of the last and the best checkpoint.

        Args:
            runner (Runner): The runner.
        """
        info = runner.message_hub.runtime_info
        rows = [('last', info.get('last_ckpt')), ('best', info.get(
            'best_ckpt'))]
        _log(runner, [(name, path) for name, path in rows if path])


def _log(runner: Runner, rows: Iterable[tuple[str, str]]) -> None:
    for name, text in rows:
        runner.logger.info(f'{name:<10}{text}', extra={SHOWN: True})


def _data(runner: Runner) -> Iterator[tuple[str, str]]:
    train = runner.train_loop.dataloader.dataset
    counts = [f'{len(train)} for training']
    if runner.val_loop is not None:
        counts.append(f'{len(runner.val_loop.dataloader.dataset)} for '
                      'validation')
    root = getattr(train, 'data_root', '')
    yield 'images', ', '.join(counts) + f' (in {root})' * bool(root)
    classes = (getattr(train, 'metainfo', None) or {}).get('classes') or ()
    if classes:
        yield 'classes', f'{len(classes)}: {listed(classes)}'


def _network(runner: Runner, model: nn.Module) -> Iterator[tuple[str, str]]:
    given = runner.cfg.get('model') or {}
    backbone = given.get('backbone') or {}
    parts = [type(getattr(model, 'backbone', model)).__name__, *(
        str(backbone[key]) for key in ('depth', 'arch', 'model_name')
        if backbone.get(key) is not None)]
    count = sum(p.numel() for p in model.parameters())
    yield 'network', f'{" ".join(parts)}, {count / 1e6:.2f} M parameters'
    starts = [(part or {}).get('init_cfg') for part in (given, backbone)]
    files = [start['checkpoint'] for start in starts
             if isinstance(start, dict) and 'checkpoint' in start]
    if runner.iter:
        end = runner.iter >= runner.train_loop.max_iters
        yield 'weights', (f'of epoch {runner.epoch}, step {runner.iter}'
                          + ': trained to the end' * end)
    else:
        yield 'weights', str(runner.cfg.get('load_from') or ', '.join(files)
                             or 'drawn at random')


def _method(model: nn.Module) -> Iterator[tuple[str, str]]:
    drawer = getattr(model.data_preprocessor, 'batch_augments', None)
    augments = list(getattr(drawer, 'augments', []))
    shares = getattr(drawer, 'probs', None) or [None] * len(augments)
    names = ['no mixing' if augment is None else type(augment).__name__
             for augment in augments]
    yield 'method', ', '.join(
        name if share is None else f'{name} ({100 * share:.0f} %)'
        for name, share in zip(names, shares) if share != 0) or 'no mixing'
    methods = [m for m in augments if isinstance(m, MixMethod)]
    inside = [m for m in methods if m.needs_model]
    if inside and hasattr(model, 'places'):
        names = [name for m in inside for name in m.at or model.places.names]
        yield 'place', ', '.join('the neck' if name is None else name
                                 for name in dict.fromkeys(names))


def _schedule(runner: Runner) -> Iterator[tuple[str, str]]:
    loop = runner.train_loop
    size = getattr(loop.dataloader, 'batch_size', None)
    length = (f'{loop.max_epochs} epochs of {len(loop.dataloader)} steps'
              if isinstance(loop, EpochBasedTrainLoop) else
              f'{loop.max_iters} steps')
    yield 'schedule', length + (f' of {size} images' if size else '')
    optimizer = getattr(runner.optim_wrapper, 'optimizer', None)
    if optimizer is not None:
        schedulers = [type(s).__name__ for s in runner.param_schedulers or []]
        rate = max(group.get('initial_lr', group['lr'])
                   for group in optimizer.param_groups)
        yield 'optimizer', ', '.join([type(optimizer).__name__,
                                      f'rate {rate:g}', *schedulers])
    yield 'device', str(next(runner.model.parameters()).device)
