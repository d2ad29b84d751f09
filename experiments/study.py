#!/usr/bin/env python
"""The study of docs/study.md: all methods on data that two CPU cores afford.

  export ALIGNMIX_CIFAR100=FOLDER ALIGNMIX_CIFAR10=FOLDER
  export ALIGNMIX_CLOTHING=FOLDER ALIGNMIX_LITE0=WEIGHTS
  python experiments/study.py run cifar100 --work-dir work_dirs/study
  python experiments/study.py write --work-dir work_dirs/study

`run` is `alignmix compare` with the options below: it goes on where it was
stopped, and runs that are in benchmarks/results/study.json already are not
repeated. `write` adds what is complete to that file, and makes the tables and
the figure of docs/study.md from it.
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
PRIOR = {'prior': ['match=transport', 'prior=1']}
# for the parts that had not begun when it was written
FASTER = ['--cfg-options', 'optim_wrapper.constructor=ChannelsLast',
          "custom_imports.imports=['alignmix_mm','controls','channels_last']"]
PHOTOS = '$PHOTOS'  # the folder of them below the study's
PER_CLASS = 20  # photographs of clothing
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
    for name, options in (CONTROLS if place is None else
                          CONTROLS | PRIOR).items():
        methods.append(f'{label}{name}=matchedalignmix')
        settings += [f'{label}{name}.{option}' for option in options]
    if place is not None:
        settings += [f'{method.partition("=")[0]}.model.mix_at={place}'
                     for method in methods]
    return Comparison('', [], methods, settings)


def comparisons() -> dict[str, Comparison]:
    """All parts of the study, in the order in which they are worth most."""
    cifar = str(HERE / 'study' / 'cifar100.py')
    seeds, accuracy = ['--seeds', '5'], ['--metrics', 'accuracy']
    neck = variants('neck')
    inside = [variants('mixer', place) for place in ('layer4.0', 'layer3')]
    return {
        'cifar100': Comparison(
            cifar, ['--budget', '1500it', *seeds, '--same-encoder',
                    '--metrics', 'accuracy', 'calibration', '--attack',
                    'fgsm', 'pgd', '--ood', '$ALIGNMIX_CIFAR10/test',
                    'uniform', 'gaussian'], [*ALL, 'alignmix_ae']),
        'clothing': Comparison(
            PHOTOS, [
                '--budget', '160it', '--seeds', '3', '--model',
                'timm/tf_efficientnet_lite0', '--pretrained',
                '$ALIGNMIX_LITE0', '--size', '128', '--batch-size', '32',
                '--workers', '0', '--metrics', 'accuracy', 'calibration',
                *FASTER],
            [*ALL]),
        'places': Comparison(
            cifar, ['--budget', '1000it', *seeds, *accuracy, *FASTER],
            ['baseline', 'neck=alignmix',
             *(method for part in inside for method in part.methods)],
            ['neck.model.mix_at=None',
             *(line for part in inside for line in part.settings)]),
        'neck': Comparison(
            str(HERE / 'study' / 'cifar100_few.py'), [
                '--budget', '1000it', *seeds, *accuracy, '--same-encoder',
                *FASTER],
            ['baseline', 'alignmix', *neck.methods,
             *(f'{mode}=alignmix' for mode in MODES),
             *(f'{name}=matchedalignmix' for name in RELATIVE_EPS)],
            [*neck.settings, *(f'{mode}.modes={mode}' for mode in MODES),
             *(line for name, eps in RELATIVE_EPS.items() for line in (
                 f'{name}.match=transport', f'{name}.eps={eps}'))]),
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
    methods = [method for method in part.methods if not args.methods
               or method.partition('=')[0] in args.methods]
    chosen = [method.partition('=')[0] for method in methods]
    settings = [line for line in part.settings
                if line.partition('.')[0] in chosen]
    words = [part.source, '--work-dir', str(args.work_dir / name), '--jobs',
             str(args.jobs), '--methods', *methods, *part.options]
    if settings:
        words += ['--method-options', *settings]
    words = [str(args.work_dir / 'photos') if word == PHOTOS else word
             for word in words]
    return [os.path.expandvars(word) for word in words]


def take_few(source: Path, folder: Path) -> None:
    """Link ``PER_CLASS`` training photographs of each class, and the test.

    Args:
        source (Path): Has ``train`` and ``test``, with folders of classes.
        folder (Path): Gets the same folders.
    """
    from alignmix_mm.datasets.class_folders import part_of
    for path in sorted((source / 'train').iterdir()):
        few = folder / 'train' / path.name
        few.mkdir(parents=True, exist_ok=True)
        names = sorted(image.name for image in path.iterdir())
        for image in part_of(names, (0, min(1, PER_CLASS / len(names)))):
            if not (few / image).exists():
                (few / image).symlink_to((path / image).resolve())
    if not (folder / 'test').exists():
        (folder / 'test').symlink_to((source / 'test').resolve())


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('action', choices=['run', 'show', 'write'])
    parser.add_argument('parts', nargs='*', help='of the study; default: all')
    parser.add_argument('--work-dir', type=Path,
                        default=Path('work_dirs/study'))
    parser.add_argument('--jobs', type=int, default=1)
    parser.add_argument('--methods', nargs='+', metavar='NAME',
                        help='only these of a part')
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
    from study_results import restore

    from alignmix_mm.cli.compare import main as compare
    for name in args.parts:
        restore(args.work_dir, name)
        if PHOTOS == comparisons()[name].source:
            take_few(Path(os.environ['ALIGNMIX_CLOTHING']),
                     args.work_dir / 'photos')
        compare(words_of(name, args))


if __name__ == '__main__':
    main()
