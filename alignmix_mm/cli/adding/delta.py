"""The lines of a config that add AlignMix to another one."""
import os
import textwrap
from pathlib import Path

from mmengine.config import Config

from .probe import EFFECT, Place, Probe

PIXELS = 4  # rows and columns of the paper's A


def write(base: str, cfg: Config, seen: Probe, place: Place | None,
          embed: int | None, out: Path) -> str:
    """Write the config.

    Args:
        base (str): The config that is inherited, a path or
            ``mmpretrain::...``.
        cfg (Config): The same, loaded.
        seen (Probe): What is known of its classifier.
        place (Place, optional): Where maps are mixed; None for the neck.
        embed (int, optional): Dimensions of the embedding if the paper's f
            takes the place of the neck.
        out (Path): Where it will be.

    Returns:
        str: The text.
    """
    name = base if '::' in base else os.path.relpath(
        base, out.resolve().parent)
    imports = [*(cfg.get('custom_imports') or {}).get('imports', [])]
    imports += ['alignmix_mm'] if 'alignmix_mm' not in imports else []
    model = ["type='AlignMixClassifier',"]
    model += _inside(seen, place) if embed is None else _embedded(seen, embed)
    model += _head(cfg, embed) + _augments(cfg)
    lines = [
        f'# AlignMix on {Path(base).stem}, by `alignmix add`.',
        f'_base_ = [{name!r}]',
        f'custom_imports = dict(imports={imports}, '
        'allow_failed_imports=False)', '', 'model = dict(',
        *(f'    {line}' for line in model), ')', *_data(cfg, seen)]
    return '\n'.join(lines) + '\n'


def _inside(seen: Probe, place: Place) -> list[str]:
    text = f'Behind this block, {_describe(place.shape)}. What follows is f: '
    if place.effect < EFFECT:
        text += ('it averages over positions, so alignment changes nothing '
                 'there.')
    else:
        text += ('it sees positions, so alignment matters there, and no '
                 'parameter is added.')
    last = seen.places[-1]
    if last.effect < place.effect:
        changes = ('nothing: positions are averaged'
                   if last.effect < EFFECT else 'less')
        text += f' Behind {last.name}, the last one, it changes {changes}.'
    lines = [*_comment(text), f'mix_at={place.name!r},']
    if place.extra_tokens is not None:
        lines += [f'num_extra_tokens={place.extra_tokens},  # class tokens']
    return lines


def _embedded(seen: Probe, embed: int) -> list[str]:
    channels, rows, columns = seen.output
    side = min(PIXELS, rows, columns)
    pooled = f', pooled to {side}x{side} as in the paper' if (
        side < max(rows, columns)) else ''
    text = (f'At the end of the backbone {_describe(seen.output)}{pooled}. f '
            f'is a linear layer in the place of {seen.neck}: it sees '
            'positions.')
    return [
        *_comment(text), 'neck=dict(',
        *(['    _delete_=True,'] if seen.neck else []),
        f"    type='AlignMixNeck', align_size={side},",
        "    embed=dict(type='LinearEmbedding', "
        f'in_channels={channels} * {side * side},',
        f'               out_channels={embed})),']


def _head(cfg: Config, embed: int | None) -> list[str]:
    head = cfg.model.get('head') or {}
    loss = head.get('loss') or {}
    parts = [] if embed is None else [f'in_channels={embed}']
    if loss.get('type') == 'CrossEntropyLoss' and not loss.get('use_sigmoid'):
        parts.append('loss=dict(use_soft=True)')
    elif not loss and str(head.get('type')).endswith('LinearClsHead') and (
            'MultiLabel' not in head.type):
        parts.append("loss=dict(type='CrossEntropyLoss', use_soft=True)")
    if head.get('cal_acc'):
        parts.append('cal_acc=False')
    text = f'head=dict({", ".join(parts)}),'
    return ['# Labels are mixed, so they are soft.', text] if parts else []


def _augments(cfg: Config) -> list[str]:
    given = cfg.model.get('train_cfg') or {}
    if not given:
        return ["train_cfg=dict(augments=[dict(type='AlignMix', "
                'alpha=2.0)]),']
    augments = given.get('augments') or []
    augments = [augments] if isinstance(augments, dict) else augments
    names = ' and '.join(str(augment['type']) for augment in augments)
    return [
        *_comment(f'Instead of {names or "what it has"}: the input mode mixes '
                  'images.'),
        "train_cfg=dict(_delete_=True, augments=[dict(type='AlignMix', "
        'alpha=2.0)]),']


def _data(cfg: Config, seen: Probe) -> list[str]:
    lines = []
    given = cfg.model.get('data_preprocessor') or cfg.get(
        'data_preprocessor') or {}
    if not given.get('num_classes') and not (
            cfg.model.get('head') or {}).get('num_classes'):
        lines += ['# One-hot labels are made with it.',
                  'data_preprocessor = dict('
                  f'num_classes={seen.num_classes})']
    if not (cfg.get('train_dataloader') or {}).get('drop_last'):
        lines += ['# A last batch of one or two images has no partners.',
                  'train_dataloader = dict(drop_last=True)']
    return lines


def _describe(shape: tuple[int, ...]) -> str:
    if len(shape) == 3:
        return f'there are maps of {shape[0]}x{shape[1]}x{shape[2]}'
    return f'there are {shape[0]} tokens of {shape[1]}'


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, 75, initial_indent='# ',
                         subsequent_indent='# ')
