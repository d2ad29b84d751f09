#!/usr/bin/env python
"""The study of docs/study.md: all methods on data that two CPU cores afford.

  python experiments/study.py run cifar100 --work-dir work_dirs/study
  python experiments/study.py write --work-dir work_dirs/study

`run` is `alignmix compare` with the options below: it goes on where it was
stopped. `write` copies what is complete to benchmarks/results/study.json, and
makes the tables of docs/study.md and its figure from that file.
"""
import argparse
import os
import sys
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ALL = ('baseline', 'mixup', 'cutmix', 'cutout', 'manifold', 'saliencymix',
       'puzzlemix', 'comixup', 'alignmix')
PLANS = {  # of the transport: options of MapMixer
    'paper100': ['solver=log', 'num_iters=100'],
    'unaligned': ['align=False'],
}
CONTROLS = {  # options of MatchedAlignMix
    'random': ['match=random'],
    'common': ['match=common'],
}
MODES = ('input', 'embed', 'feat', 'feat_swap')
RELATIVE_EPS = {'eps-001': .001, 'eps-01': .01, 'eps-1': .1, 'eps1': 1.}


class Comparison(NamedTuple):
    """One call of `alignmix compare`.

    Attributes:
        source (str): A config, or a folder of photos that the caller names.
        options (list[str]): Of the command.
        methods (list[str]): Methods, or NAME=METHOD.
        settings (list[str]): Of these methods.
    """

    source: str
    options: list[str]
    methods: list[str]
    settings: list[str] = []


def variants(mixer: str, place: str | None = None) -> Comparison:
    """AlignMix with each plan at one place.

    Args:
        mixer (str): Dotted name of the options of transport.
        place (str, optional): Module of the backbone.

    Returns:
        Comparison: Its methods and their settings.
    """
    methods, settings = [], []
    label = '' if place is None else f'{place.replace(".", "-")}-'
    for name, options in {'annealed': [], **PLANS}.items():
        if place is None and name == 'annealed':
            continue  # AlignMix itself
        methods.append(f'{label}{name}=alignmix')
        settings += [f'{label}{name}.model.{mixer}.{option}'
                     for option in options]
    for name, options in CONTROLS.items():
        methods.append(f'{label}{name}=matchedalignmix')
        settings += [f'{label}{name}.{option}' for option in options]
    if place is not None:
        settings += [f'{method.partition("=")[0]}.model.mix_at={place}'
                     for method in methods]
    return Comparison('', [], methods, settings)


def comparisons() -> dict[str, Comparison]:
    """All parts of the study, in the order in which they are worth most."""
    cifar = str(HERE / 'study' / 'cifar100.py')
    steps = ['--budget', '1500it', '--seeds', '5']
    neck = variants('neck')
    inside = [variants('mixer', place) for place in ('layer4.0', 'layer3')]
    return {
        'cifar100': Comparison(
            cifar, [*steps, '--same-encoder', '--metrics', 'accuracy',
                    'calibration', '--attack', 'fgsm', 'pgd', '--ood',
                    '$ALIGNMIX_CIFAR10/test', 'uniform', 'gaussian'],
            [*ALL, 'alignmix_ae']),
        'clothing': Comparison(
            '$ALIGNMIX_CLOTHING', [
                '--budget', '160it', '--seeds', '3', '--model',
                'timm/tf_efficientnet_lite0', '--pretrained',
                '$ALIGNMIX_LITE0', '--size', '128', '--batch-size', '32',
                '--workers', '0', '--metrics', 'accuracy', 'calibration'],
            [*ALL]),
        'plans': Comparison(
            cifar, [*steps, '--same-encoder', '--metrics', 'accuracy'],
            ['alignmix', *neck.methods], neck.settings),
        'places': Comparison(
            cifar, [*steps, '--metrics', 'accuracy'], [
                'baseline', 'neck=alignmix',
                *(method for part in inside for method in part.methods)], [
                'neck.model.mix_at=None',
                *(line for part in inside for line in part.settings)]),
        'modes': Comparison(
            cifar, [*steps, '--same-encoder', '--metrics', 'accuracy'],
            [f'{mode}=alignmix' for mode in MODES],
            [f'{mode}.modes={mode}' for mode in MODES]),
        'eps': Comparison(
            cifar, [*steps, '--same-encoder', '--metrics', 'accuracy'],
            [f'{name}=matchedalignmix' for name in RELATIVE_EPS],
            [line for name, eps in RELATIVE_EPS.items() for line in (
                f'{name}.match=transport', f'{name}.eps={eps}')]),
    }


def words_of(name: str, args: argparse.Namespace) -> list[str]:
    """The words after `alignmix compare`.

    Args:
        name (str): A key of :func:`comparisons`.
        args (Namespace): The options.

    Returns:
        list[str]: The words; names of variables are replaced.
    """
    part = comparisons()[name]
    words = [part.source, '--work-dir', str(args.work_dir / name), '--jobs',
             str(args.jobs), '--methods', *part.methods, *part.options]
    if part.settings:
        words += ['--method-options', *part.settings]
    return [os.path.expandvars(word) for word in words]


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('action', choices=['run', 'show', 'write'])
    parser.add_argument('parts', nargs='*', help='of the study; default: all')
    parser.add_argument('--work-dir', type=Path,
                        default=Path('work_dirs/study'))
    parser.add_argument('--jobs', type=int, default=1)
    args = parser.parse_args()
    unknown = [part for part in args.parts if part not in comparisons()]
    if unknown:
        parser.error(f'no part is called {unknown[0]}; they are '
                     f'{", ".join(comparisons())}')
    args.parts = args.parts or [*comparisons()]
    return args


def main() -> None:
    """Run or write."""
    args = parse_args()
    if args.action == 'show':
        for name in args.parts:
            print('alignmix compare', *words_of(name, args))
        return
    if args.action == 'write':
        from study_tables import write
        write(args.work_dir, args.parts)
        return
    # for the processes of the runs, which import `controls`
    os.environ['PYTHONPATH'] = os.pathsep.join(
        [str(HERE), os.environ.get('PYTHONPATH', '')])
    sys.path.insert(0, str(HERE))
    from alignmix_mm.cli.compare import main as compare
    for name in args.parts:
        compare(words_of(name, args))


if __name__ == '__main__':
    main()
