#!/usr/bin/env python
"""Time training steps that mix at several places of one network.

The question is what `mix_at` costs: the steps differ only in the place, with
and without alignment. Without alignment, the difference is the mechanism
itself, not the transport.
"""
from argparse import Namespace
from collections.abc import Callable

from measure import interleaved, median_ms, paired_ratio, write
from step import REPEAT, Trainer, repeat
from training import DTYPES, make_parser, parse

from alignmix_mm import AlignMix
from alignmix_mm.models.places import MixPlaces

PLACES = {
    'r18_cifar10': {'neck': None, 'before the last block': 'layer4.0',
                    'after stage 3': 'layer3', 'after stage 2': 'layer2'},
    'r50_imagenet': {'neck': None, 'before the last block': 'layer4.1',
                     'after stage 3': 'layer3', 'after stage 2': 'layer2'},
}
PLACES['r18_cifar100'] = PLACES['r18_cifar10']
GOAL = 1.01  # step at a place / step at the neck, without alignment


def methods_of(trainer: Trainer,
               config: str) -> dict[str, Callable[[], object]]:
    """Steps at all places, without and with alignment.

    Args:
        trainer (Trainer): Network and optimizer, shared by all.
        config (str): Key of ``PLACES``.

    Returns:
        dict[str, Callable]: ``'unaligned, PLACE'`` and ``'aligned, PLACE'``.
    """
    model = trainer.model
    train_step = trainer.method(dict(type=AlignMix, modes='feat'))

    def make(places: MixPlaces, align: bool) -> Callable[[], object]:
        def step() -> object:
            model.places, model.mixer.align = places, align
            return train_step()

        return step

    places = {place: MixPlaces(name, model.backbone)
              for place, name in PLACES[config].items()}
    return {f'{word}, {place}': make(places[place], align)
            for word, align in (('unaligned', False), ('aligned', True))
            for place in places}


def summarize(seconds: dict[str, list[float]], args: Namespace) -> dict:
    """Milliseconds, and ratios to the step that mixes at the neck.

    Args:
        seconds (dict[str, list[float]]): Seconds of every round.
        args (Namespace): The options.

    Returns:
        dict: The figures.
    """
    ratios = {name: paired_ratio(values, seconds[
        f'{name.split(", ")[0]}, neck']) for name, values in seconds.items()}
    goals = {name: dict(goal=GOAL, met=ratio <= GOAL)
             for name, ratio in ratios.items()
             if name.startswith('unaligned') and not name.endswith('neck')}
    return dict(
        config=args.config, ran_on=args.device.type, amp=args.amp,
        batch=args.batch, size=args.size,
        ms={name: median_ms(values) for name, values in seconds.items()},
        ratio_to_neck=ratios, goals=goals, seconds=seconds)


def main() -> None:
    """Measure, print, write."""
    parser = make_parser(__doc__)
    parser.add_argument('--amp', choices=DTYPES, default='off')
    parser.add_argument('--backend', choices=('auto', 'torch', 'triton'),
                        default='auto', help='backend of the transport')
    parser.add_argument('--rounds', type=int, default=15)
    args = parse(parser, 'depth')
    count = REPEAT[args.device.type]
    steps = methods_of(Trainer('alignmix', args), args.config)
    seconds = interleaved(
        {name: repeat(step, count) for name, step in steps.items()},
        args.rounds)
    result = summarize(
        {name: [value / count for value in values]
         for name, values in seconds.items()}, args)
    for name, ms in result['ms'].items():
        goal = result['goals'].get(name)
        verdict = '' if goal is None else (
            f'  goal <= {GOAL} {"met" if goal["met"] else "MISSED"}')
        print(f'{name:<34}{ms:10.1f} ms{result["ratio_to_neck"][name]:8.3f} '
              f'x the neck{verdict}')
    print(write(args.name, result))


if __name__ == '__main__':
    main()
