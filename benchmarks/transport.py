#!/usr/bin/env python
"""Time alignment and mixing, compared with other implementations.

Every method takes feature maps and returns the mixed map: cost, plan,
alignment, interpolation. Errors are those of the mixed map for lambda = 0.3,
relative to POT's converged plan in float64, on a few pairs.
"""
import argparse
import importlib.metadata
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from converge import converge
from goals import GOALS, describe, judge
from measure import RESULTS, interleaved, median_ms, paired_ratio, write
from memory import copy_bandwidth, peak_bytes
from methods import EPS, METHODS, Method, Mixer, interpolate, prepare
from plots import plot
from torch import Tensor

from alignmix_mm.ops import pairwise_cost

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'tools'))
from sinkhorn_oracle import golden_plan

GOLDEN_PAIRS = 4
ROUNDS = {'cpu': 5, 'cuda': 30}
OURS = {'cpu': ('torch', ), 'cuda': ('triton', 'torch')}  # the fastest first
PACKAGES = ('numpy', 'pot', 'geomloss', 'ott-jax', 'jax', 'triton')


@dataclass(frozen=True)
class Bench:
    """Settings of the measurement of all sets.

    Attributes:
        device (torch.device): Device to measure on.
        methods (dict[str, Method]): Methods that can run, by key.
        mixers (dict[str, Callable]): Their functions, by key.
        ours (str): Key of our fastest backend among them.
        bandwidth (float): Bytes per second of a copy.
        rounds (int): Counted calls of each method.
        converge (bool): Whether to compare plans of equal quality.
    """

    device: torch.device
    methods: dict[str, Method]
    mixers: dict[str, Mixer]
    ours: str
    bandwidth: float
    rounds: int
    converge: bool


def measure(bench: Bench, name: str, a: Tensor, b: Tensor) -> dict:
    """Measure all methods on one set of maps.

    Args:
        bench (Bench): The methods.
        name (str): Name of the set.
        a (Tensor): Anchors, ``(B, c, r)``, float32.
        b (Tensor): Partners, ``(B, c, r)``, float32.

    Returns:
        dict: Times, ratios, errors, memory, goals.
    """
    few_a, few_b = a[:GOLDEN_PAIRS].cpu(), b[:GOLDEN_PAIRS].cpu()
    few_cost = pairwise_cost(few_a, few_b)
    golden = interpolate(few_a.double(), few_b.double(),
                         golden_plan(few_cost, EPS))
    methods = {key: assess(method, bench, a, b, golden)
               for key, method in bench.methods.items()}
    seconds = interleaved(
        {key: (lambda mix=mix: mix(a, b))
         for key, mix in bench.mixers.items()}, bench.rounds,
        {key: method.rounds for key, method in bench.methods.items()
         if method.rounds is not None})
    for key, values in seconds.items():
        methods[key].update(
            ms=median_ms(values), rounds=len(values),
            times_ours=paired_ratio(values, seconds[bench.ours]))
    result = dict(
        shape=list(a.shape), mean_cost=few_cost.mean().item() / EPS,
        ours=bench.ours, methods=methods,
        memory=memory_floor(a, methods[bench.ours]['ms'], bench.bandwidth))
    if bench.converge:
        result['converged'] = converge(
            pairwise_cost(a, b), few_cost.to(a.device), bench.ours,
            bench.rounds, 'ott' in bench.mixers)
    result['goals'] = judge(result, GOALS[bench.device.type][name])
    return result


def assess(method: Method, bench: Bench, a: Tensor, b: Tensor,
           golden: Tensor) -> dict:
    """Error and memory of a method.

    Args:
        method (Method): The method.
        bench (Bench): Its function and the device.
        a (Tensor): Anchors, ``(B, c, r)``, float32.
        b (Tensor): Partners, ``(B, c, r)``, float32.
        golden (Tensor): Mixed maps of the first pairs, ``(b, c, r)``,
            float64.

    Returns:
        dict: ``error`` and ``peak_bytes``, which is None if torch does not
        see the memory.
    """
    mix = bench.mixers[method.key]
    mixed = mix(a, b)[:len(golden)].cpu().double()
    error = (mixed - golden).flatten(1).norm(dim=1)
    error = (error / golden.flatten(1).norm(dim=1)).mean().item()
    peak = (peak_bytes(lambda: mix(a, b), bench.device)
            if method.torch_memory else None)
    return dict(error=error, peak_bytes=peak)


def memory_floor(a: Tensor, ours_ms: float, bandwidth: float) -> dict:
    """Memory and time that every implementation needs.

    Args:
        a (Tensor): Anchors, ``(B, c, r)``, float32.
        ours_ms (float): Our time in milliseconds.
        bandwidth (float): Bytes per second of a copy.

    Returns:
        dict: Bytes of assignment and output together; milliseconds of reading
        both maps and writing one; our time divided by this.
    """
    pairs, _, r = a.shape
    floor_ms = 1e3 * 3 * a.nbytes / bandwidth
    return dict(
        plan_and_output_bytes=a.nbytes + pairs * r * r * a.element_size(),
        floor_ms=floor_ms, ours_to_floor=ours_ms / floor_ms)


def summary(name: str, result: dict) -> str:
    """One line for each method, then memory and goals."""
    lines = [f'{name} {result["shape"]}, mean cost / eps '
             f'{result["mean_cost"]:.0f}']
    for key, value in result['methods'].items():
        peak = ('' if value['peak_bytes'] is None else
                f'{value["peak_bytes"] / 2**20:9.1f} MiB')
        lines.append(f'  {key:<10}{value["ms"]:11.3f} ms'
                     f'{value["times_ours"]:9.2f} x ours'
                     f'   error {value["error"]:.1e}{peak}')
    memory = result['memory']
    lines.append(
        f'  plan and output {memory["plan_and_output_bytes"] / 2**20:.1f} MiB;'
        f' memory floor {memory["floor_ms"]:.3f} ms, ours '
        f'{memory["ours_to_floor"]:.1f} x that')
    for key, value in result.get('converged', {}).items():
        marks = ''.join(f', {mark}' for mark in ('extrapolated', 'capped')
                        if value.get(mark))
        lines.append(f'  plan, {key:<8}{value["ms"]:11.1f} ms'
                     f'{value["times_ours"]:9.2f} x ours   violation '
                     f'{value["violation"]:.1e}{marks}')
    return '\n'.join([*lines, f'  {describe(result["goals"])}'])


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--features', type=Path,
                        default=Path('work_dirs/features.npz'),
                        help='maps made by benchmarks/features.py')
    parser.add_argument('--device', choices=sorted(GOALS),
                        default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--sets', nargs='+', choices=list(GOALS['cpu']),
                        default=list(GOALS['cpu']))
    parser.add_argument('--pairs', type=int,
                        help='only the first pairs of each set, for a trial')
    parser.add_argument('--rounds', type=int,
                        help='counted calls of each method; '
                        f'default: {ROUNDS}')
    parser.add_argument('--no-compile', action='store_true',
                        help='leave out torch.compile')
    parser.add_argument('--converge', action='store_true',
                        help='also plans of equal quality; takes minutes')
    parser.add_argument('--name', help='name of the results; '
                        'default: transport_DEVICE')
    args = parser.parse_args()
    if not args.features.is_file():
        raise SystemExit(f'{args.features} is missing. Make it with `python '
                         'benchmarks/features.py --cifar10 FOLDER --imagenet '
                         'FOLDER`, or name a different file with --features.')
    return args


def main() -> None:
    """Measure, print, write."""
    args = parse_args()
    device = torch.device(args.device)
    load = os.getloadavg()[0]
    if load > os.cpu_count() / 4:
        print(f'Load {load:.1f}: other processes slow down the methods '
              'unevenly; do not trust ratios on a CPU.')
    methods = [method for method in METHODS if device.type in method.devices
               and not (args.no_compile and method.key == 'compiled')]
    mixers, missing = prepare(methods, device)
    for key, why in missing.items():
        print(f'{key} is left out: {why}')
    bench = Bench(
        device, {method.key: method for method in methods
                 if method.key in mixers}, mixers,
        next(key for key in OURS[device.type] if key in mixers),
        copy_bandwidth(device), args.rounds or ROUNDS[device.type],
        args.converge)
    results = {}
    with np.load(args.features) as pack:
        source = str(pack['source'])
        for name in args.sets:
            a, b = (maps[:args.pairs].to(device) for maps in
                    torch.from_numpy(pack[name]).float().chunk(2))
            results[name] = measure(bench, name, a, b)
            print(summary(name, results[name]), flush=True)
    name = args.name or f'transport_{device.type}'
    record = dict(
        source=source, packages=versions(), load=load, missing=missing,
        copy_gb_per_s=bench.bandwidth / 1e9, sets=results)
    print(write(name, record, device))
    plot(results, 'CPU' if device.type == 'cpu' else
         torch.cuda.get_device_name(), RESULTS / f'{name}.png')


def versions() -> dict[str, str]:
    """Versions of the competing packages that are installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


if __name__ == '__main__':
    main()
