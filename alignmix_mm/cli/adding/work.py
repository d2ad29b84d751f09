"""Inspect a classifier, write its new config, and try the config."""
import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmpretrain.registry import BATCH_AUGMENTS
from mmpretrain.structures import DataSample
from rich.console import Console

from ...engine.kinds import name_of
from ...mixing import AlignMix
from ...models.auto import Candidate
from ...models.methods import methods_of
from .classifier import build, image_size, load, num_channels
from .delta import write
from .method import method_delta
from .probe import Probe, probe

PIXELS = 4  # height and width of the paper's A
Settings = tuple[dict[str, Any], dict[str, str]]  # of the model, and comments


def inside(seen: Probe, mix_at: str | None) -> Settings:
    """Mix inside the backbone, or before a neck that sees positions.

    Args:
        seen (Probe): The inspected classifier.
        mix_at (str, optional): The place; None means the last one.

    Returns:
        tuple[dict, dict]: Settings of the model, and comments.

    Raises:
        ValueError: If there is no such place.
    """
    place = seen.place(mix_at)
    if place.name is None:
        return {}, {'model.type': 'Maps are mixed before the neck: what '
                    'follows sees positions, so alignment matters there.'}
    settings: dict[str, Any] = dict(mix_at=mix_at or place.name)
    comments = {'model.mix_at': _explain(seen, place, mix_at)}
    tokens = seen.extra_tokens(place)
    if tokens is not None:
        settings['num_extra_tokens'] = tokens
        comments['model.num_extra_tokens'] = 'Class tokens.'
    if place.channels_last:
        settings['channels_last'] = True
    return settings, comments


def embedded(seen: Probe, dimensions: int) -> Settings:
    """Mix before the paper's f.

    Args:
        seen (Probe): The inspected classifier.
        dimensions (int): Dimensions of the embedding.

    Returns:
        tuple[dict, dict]: Settings of the model, and comments.

    Raises:
        ValueError: If the backbone does not return a map.
    """
    output = seen.places.output
    if output is None or len(output) != 3:
        raise ValueError(
            '--embed needs a backbone that returns a map (c, h, w) for an '
            f'image, but this one returns {output or "several tensors"}. '
            'Leave --embed out to mix inside the backbone.')
    channels, rows, columns = output
    side = min(PIXELS, rows, columns)
    pooled = f', pooled to {side}x{side} as in the paper' if (
        side < max(rows, columns)) else ''
    neck = dict(type='AlignMixNeck', align_size=side, embed=dict(
        type='LinearEmbedding', in_channels=channels * side * side,
        out_channels=dimensions))
    return dict(neck=neck, head=dict(in_channels=dimensions)), {
        'model.neck': f'At the end of the backbone {_describe(output)}'
        f'{pooled}. f is a linear layer'
        f'{f" instead of {seen.neck}" if seen.neck else ""}: it sees '
        'positions.'}


def _explain(seen: Probe, place: Candidate, mix_at: str | None) -> str:
    text = f'After this block, {_describe(place.shape)}. '
    if mix_at == 'auto':
        text = f'Here it is {place.name}: {_describe(place.shape)}. '
    if not place.combining:
        return text + ('What follows averages over positions, so alignment '
                       'changes nothing there.')
    text += ('What follows sees positions, so alignment matters there. No '
             'parameters are added.')
    last = seen.places.candidates[-1]
    if not last.combining:
        text += (f' At the last place, {last.name or "the neck"}, it would '
                 'change nothing, because positions are averaged.')
    return text


def _describe(shape: tuple[int, ...]) -> str:
    if len(shape) == 3:
        return f'there are maps of {shape[0]}x{shape[1]}x{shape[2]}'
    return f'there are {shape[0]} tokens of {shape[1]}'


def _comments(cfg: Config) -> dict[str, str]:
    comments = {
        'model.head': 'Labels are mixed, so they are soft.',
        'data_preprocessor': 'Needed for one-hot labels.',
        'train_dataloader':
        'A last batch of one or two images has too few partners.'}
    given = cfg.model.get('train_cfg')
    if given:
        augments = given.get('augments') or []
        augments = [augments] if isinstance(augments, dict) else augments
        names = ' and '.join(name_of(augment, BATCH_AUGMENTS)
                             for augment in augments)
        comments['model.train_cfg'] = (
            f'Replaces {names or "the previous one"}: the input mode of '
            'AlignMix mixes images too.')
    return comments


def train_steps(path: Path) -> None:
    """Train one step of a config in each mode.

    Args:
        path (Path): The config.

    Raises:
        RuntimeError: If a loss or a gradient is not finite.
    """
    cfg = Config.fromfile(path)
    model = build(cfg, train_cfg=cfg.model.train_cfg)
    size, channels = image_size(cfg), num_channels(model.backbone)
    augment = methods_of(model.data_preprocessor)[0]
    model.train()
    for name in AlignMix().modes:
        augment.modes, augment.probs = (name, ), [1.]
        data = dict(
            inputs=torch.randint(0, 256, (4, channels, size, size)).byte(),
            data_samples=[DataSample().set_gt_label(n % 2) for n in range(4)])
        losses = model(**model.data_preprocessor(data, True), mode='loss')
        loss, _ = model.parse_losses(losses)
        gradients = torch.autograd.grad(loss, [  # some may be frozen
            parameter for parameter in model.parameters()
            if parameter.requires_grad], allow_unused=True)
        finite = [bool(gradient.isfinite().all()) for gradient in gradients
                  if gradient is not None]
        if not (torch.isfinite(loss) and finite and all(finite)):
            raise RuntimeError(
                f'Expected a finite loss and finite gradients in mode {name}, '
                f'but the loss is {float(loss.detach()):g}, and '
                f'{finite.count(False)} of {len(finite)} gradients are not '
                'finite.')


@contextmanager
def _said(what: str) -> Iterator[None]:
    """Exit with one sentence, since configs of users fail in any way."""
    try:
        yield
    except ValueError as error:  # its message is complete
        sys.exit(str(error))
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), '')
        sys.exit(f'{what}: {type(error).__name__}: {reason}')


def run(args: argparse.Namespace) -> None:
    """Inspect the classifier, write the config, and train a step.

    Args:
        args (Namespace): Parsed options.
    """
    MMLogger.get_current_instance().setLevel('ERROR')  # a line per weight
    console = Console()
    with _said(f'{args.config} does not build'), console.status(
            'Inspecting the classifier'):
        cfg = load(args.config)
        seen = probe(cfg)
        settings, comments = (embedded(seen, args.embed) if args.embed else
                              inside(seen, args.mix_at))
        delta = method_delta(cfg, num_classes=seen.places.num_classes,
                             **settings)
        text = write(args.config, cfg, delta, {**_comments(cfg), **comments},
                     args.out)
    before = args.out.read_text() if args.out.exists() else None
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text)
    with _said(f'{args.config} with AlignMix cannot be trained'):
        try:
            with console.status('Training one step of each mode'):
                train_steps(args.out)
        except Exception:  # no config may remain that cannot be trained
            if before is None:
                args.out.unlink()
            else:
                args.out.write_text(before)
            raise
    print(f'{args.out}: one step of each mode was trained.')
