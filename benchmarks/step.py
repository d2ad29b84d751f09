#!/usr/bin/env python
"""Time training steps: baseline, Mixup, CutMix, manifold mixup, AlignMix.

This is the question of the paper's Table 1(b). The encoder f of AlignMix's
network differs from the baseline's, so Mixup is timed on both. A step is
samples, preprocessing, forward, backward and update; images are already on the
device.
"""
import statistics
from argparse import Namespace
from collections.abc import Callable

import torch
from measure import interleaved, median_ms, paired_ratio, write
from mmpretrain.models import RandomBatchAugment
from mmpretrain.structures import DataSample
from profiling import profile, show
from torch import Tensor
from training import (
    DTYPES,
    SHAPES,
    build,
    load,
    make_parser,
    make_wrapper,
    parse,
)

from alignmix_mm import AlignMix

MODES = ('input', 'embed', 'feat', 'feat_swap')
MIXUP = dict(type='Mixup', alpha=1.)
# method: (network, batch augmentation)
METHODS = {
    'baseline': ('baseline', None),
    'mixup': ('baseline', MIXUP),
    'cutmix': ('baseline', dict(type='CutMix', alpha=1.)),
    'mixup_same_net': ('alignmix', MIXUP),
    **{name: ('alignmix', dict(type=AlignMix, modes=name)) for name in MODES},
}
# (config, device): largest ratio AlignMix / Mixup, for the same network and
# the paper's images
GOALS = {('r18_cifar10', 'cpu'): 1.05, ('r50_imagenet', 'cuda'): 1.01}
# Steps of one timed call: a GPU gets work in advance, as in training.
REPEAT = {'cpu': 1, 'cuda': 10}


class Trainer:
    """A network and its optimizer, shared by several methods.

    Args:
        network (str): ``'baseline'`` or ``'alignmix'``.
        args (Namespace): The options.
    """

    def __init__(self, network: str, args: Namespace) -> None:
        cfg = load(network, args.config, args.backend)
        self.model = build(cfg, args.device)
        # labels do not fit the images, so large steps would diverge
        self.wrapper = make_wrapper(self.model, 1e-3, args.amp, args.device)
        self.classes = cfg.data_preprocessor.num_classes
        self.images = torch.randint(
            0, 256, (args.batch, 3, args.size, args.size), dtype=torch.uint8,
            device=args.device)
        self.params = sum(p.numel() for p in self.model.parameters())

    def method(self, augment: dict | None) -> Callable[[], object]:
        """Training step with a batch augmentation.

        Args:
            augment (dict, optional): The augmentation, if there is one.

        Returns:
            Callable: Runs one step.
        """
        preprocessor = self.model.data_preprocessor
        drawer = None if augment is None else RandomBatchAugment(augment)

        def step() -> object:
            preprocessor.batch_augments = drawer
            preprocessor.to_onehot = drawer is not None
            samples = [DataSample().set_gt_label(n % self.classes)
                       for n in range(len(self.images))]
            return self.model.train_step(
                dict(inputs=self.images, data_samples=samples), self.wrapper)

        return step

    def transport(self) -> tuple[Callable[[], object], Tensor]:
        """Only alignment and mixing, as in a step with mode feat.

        Returns:
            tuple[Callable, Tensor]: A function that runs them forward and
            backward, and the maps, ``(B, C, H, W)``.
        """
        mixer = self.model.neck.mixer
        seen = []
        hook = mixer.register_forward_pre_hook(
            lambda module, inputs: seen.append(inputs[:2]))
        self.method(METHODS['feat'][1])()
        hook.remove()
        (x, ), plan = seen[0]
        x = x.detach().clone().requires_grad_()
        gradient = torch.randn_like(x)

        def step() -> object:
            with self.wrapper.optim_context(self.model):
                mixed = mixer.complete(plan).features.mix_map(x)
            return torch.autograd.grad(mixed, x, gradient)

        return step, x


def repeat(step: Callable[[], object], count: int) -> Callable[[], None]:
    """Combine several steps.

    Args:
        step (Callable): Runs one step.
        count (int): Number of steps.

    Returns:
        Callable: Runs all steps.
    """
    def steps() -> None:
        for _ in range(count):
            step()

    return steps


def compare(seconds: dict[str, list[float]]) -> tuple[dict, dict]:
    """Milliseconds of all methods and their ratios to the baseline.

    The modes of AlignMix are drawn equally often, so AlignMix is their mean.

    Args:
        seconds (dict[str, list[float]]): Seconds of every round.

    Returns:
        tuple[dict, dict]: ``method: ms`` and ``method: ratio``.
    """
    ms = {name: median_ms(seconds[name]) for name in METHODS}
    ratios = {name: paired_ratio(seconds[name], seconds['baseline'])
              for name in METHODS}
    for values in ms, ratios:
        values['manifold'] = values['embed']
        values['alignmix'] = statistics.mean(values[name] for name in MODES)
    return ms, ratios


def summarize(seconds: dict[str, list[float]], trainers: dict[str, Trainer],
              goal: float | None) -> dict:
    """Collect the figures.

    Args:
        seconds (dict[str, list[float]]): Seconds of every round.
        trainers (dict[str, Trainer]): The networks.
        goal (float, optional): Goal of AlignMix / Mixup, if there is one.

    Returns:
        dict: The figures.
    """
    ms, ratios = compare(seconds)
    to_mixup = {name: paired_ratio(seconds[name], seconds['mixup_same_net'])
                for name in MODES}
    mean = statistics.mean(to_mixup.values())
    goals = {} if goal is None else {
        'alignmix_to_mixup': dict(goal=goal, met=mean <= goal)}
    return dict(
        ms=ms,
        params_m={name: trainer.params / 1e6
                  for name, trainer in trainers.items()},
        ratio_to_baseline=ratios,
        ratio_to_mixup_same_net=to_mixup,
        alignmix_to_mixup=mean,
        transport_ms=median_ms(seconds['transport']),
        transport_share=paired_ratio(seconds['transport'], seconds['feat']),
        goals=goals,
        seconds=seconds)


def goal_of(args: Namespace) -> float | None:
    """Goal of AlignMix / Mixup, None for other numbers or sizes of images."""
    if (args.batch, args.size) != SHAPES[args.config]:
        return None
    return GOALS.get((args.config, args.device.type))


def report(result: dict) -> None:
    """Print the figures."""
    print(f'{"":<16}{"ms":>10}{"params, M":>11}{"x baseline":>12}')
    for name, ms in result['ms'].items():
        network = METHODS.get(name, ('alignmix', ))[0]
        print(f'{name:<16}{ms:10.1f}{result["params_m"][network]:11.2f}'
              f'{result["ratio_to_baseline"][name]:12.3f}')
    print(f'transport {result["transport_ms"]:.2f} ms, '
          f'{100 * result["transport_share"]:.1f} % of the feat step')
    goals = ', '.join(
        f'goal <= {goal["goal"]} {"met" if goal["met"] else "MISSED"}'
        for goal in result['goals'].values())
    print(f'AlignMix / Mixup on the same network: '
          f'{result["alignmix_to_mixup"]:.3f}  {goals or "no goal"}')


def main() -> None:
    """Measure, print, write."""
    parser = make_parser(__doc__)
    parser.add_argument('--amp', choices=DTYPES, default='off')
    parser.add_argument('--backend', choices=('auto', 'torch', 'triton'),
                        default='auto', help='backend of the transport')
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--repeat', type=int,
                        help='steps of one timed call; default: '
                        f'{REPEAT["cpu"]} on a CPU, {REPEAT["cuda"]} on a GPU')
    parser.add_argument('--profile', action='store_true',
                        help='also profile steps with mode feat')
    args = parse(parser, 'step')
    count = args.repeat or REPEAT[args.device.type]
    trainers = {name: Trainer(name, args) for name in ('baseline', 'alignmix')}
    methods = {name: trainers[network].method(augment)
               for name, (network, augment) in METHODS.items()}
    methods['transport'], maps = trainers['alignmix'].transport()
    calls = {name: repeat(step, count) for name, step in methods.items()}
    seconds = {name: [value / count for value in values]
               for name, values in interleaved(calls, args.rounds).items()}
    result = dict(
        config=args.config, ran_on=args.device.type, amp=args.amp,
        transport_backend=args.backend, batch=args.batch, size=args.size,
        steps_per_round=count, maps=list(maps.shape),
        maps_dtype=str(maps.dtype),
        **summarize(seconds, trainers, goal_of(args)))
    report(result)
    if args.profile:
        result['profile'] = profile(methods['feat'], args.device)
        show(result['profile'])
    print(write(args.name, result))


if __name__ == '__main__':
    main()
