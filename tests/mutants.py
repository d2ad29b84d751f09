"""Put known faults into a copy of the package and see the tests catch them.

`python tests/mutants.py [PATTERN ...]` takes those whose name has one of the
words. Each is caught if one of its test files fails in the tier of `make
test`; what is not caught is listed, and the exit status is 1.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from mutants_ops import OPS

ROOT = Path(__file__).resolve().parents[1]
TIER = 'not (slow or process or browser)'


class Mutant(NamedTuple):
    """A fault: one text of a file is replaced by another.

    Attributes:
        name (str): What is wrong then.
        file (str): Path below the root.
        old (str): Text that is there exactly once.
        new (str): What replaces it.
        tests (str): Test files or folders below ``tests``.
    """

    name: str
    file: str
    old: str
    new: str
    tests: str


ALIGN = 'test_ops/test_align.py'
KERNELS = 'test_ops/test_kernels.py test_ops/test_parity.py'
MIX = 'test_mixing test_models/test_mixer.py'
CAL = 'test_evaluation/test_calibration.py'
BOX = 'test_evaluation/test_boxes.py test_evaluation/test_localization.py'
OOD = 'test_evaluation/test_ood.py'
ATTACK = 'test_evaluation/test_attacks.py'
FUNCTIONAL = 'alignmix_mm/evaluation/functional'
MUTANTS = (
    Mutant('R transposed', 'alignmix_mm/ops/align.py',
           'torch.bmm(b.to(dtype), R.to(dtype).transpose(1, 2))',
           'torch.bmm(b.to(dtype), R.to(dtype))', ALIGN),
    Mutant('R transposed while mixing', 'alignmix_mm/ops/align.py',
           'weighted = ((1 - lam) * R).transpose(1, 2)',
           'weighted = (1 - lam) * R', ALIGN),
    Mutant('lambda on the wrong branch', 'alignmix_mm/ops/align.py',
           'weighted = ((1 - lam) * R).transpose(1, 2)\n'
           '        mixed = (lam * a.to(dtype))',
           'weighted = (lam * R).transpose(1, 2)\n'
           '        mixed = ((1 - lam) * a.to(dtype))', ALIGN),
    Mutant('plan not detached', 'alignmix_mm/ops/transport.py',
           '@torch.no_grad()\ndef assignment', 'def assignment',
           'test_ops/test_align.py test_ops/test_transport.py'),
    Mutant('swap ignored', 'alignmix_mm/ops/align.py',
           'a, b = (y, x) if swap else (x, y)', 'a, b = x, y', ALIGN),
    Mutant('permutation ignored', 'alignmix_mm/ops/align.py',
           '        y = y[perm]\n', '        pass\n', ALIGN),
    Mutant('cost without the factor 2', 'alignmix_mm/ops/cost.py',
           'alpha=-2', 'alpha=-1', 'test_ops/test_cost.py'),
    Mutant('P for rP', 'alignmix_mm/ops/_reference.py',
           'torch.softmax(scores + g, dim=2) if',
           'torch.softmax(scores + g, dim=2) / r if',
           'test_ops/test_transport.py'),
    Mutant('columns of 1 where r != s', 'alignmix_mm/ops/_reference.py',
           'torch.softmax(scores + f, dim=1) * (r / s))',
           'torch.softmax(scores + f, dim=1))',
           'test_ops/test_transport.py'),
    Mutant('padding of the kernels counts', 'alignmix_mm/ops/_kernels.py',
           '    return tl.where(valid, tl.exp2(exponent), 0.0)',
           '    return tl.exp2(exponent)', KERNELS),
    Mutant('kernels drop NaN', 'alignmix_mm/ops/_kernels.py',
           "nan = tl.where(valid & (scores != scores), float('nan'), 0.0)",
           'nan = tl.where(valid & (scores != scores), 0.0, 0.0)', KERNELS),
    Mutant('kernels sweep without relaxation', 'alignmix_mm/ops/_kernels.py',
           'return tl.where(head | tail, 1.0, relaxation)',
           'return tl.where(head | tail, 1.0, 1.0)', KERNELS),
    Mutant('forbidden pairs set the temperature',
           'alignmix_mm/ops/_annealed.py',
           'cool(clip_cost(reduce_cost(scores)), schedule)',
           'cool(reduce_cost(scores), schedule)', KERNELS),
    Mutant('products in TF32', 'alignmix_mm/ops/_precision.py',
           'return _without_rounding(device) if _rounds() else '
           '_no_autocast(device)', 'return _no_autocast(device)',
           'test_ops/test_precision.py'),
    Mutant('autocast reaches the transport', 'alignmix_mm/ops/_precision.py',
           'return torch.autocast(device.type, enabled=False)',
           'return contextlib.nullcontext()',
           'test_ops/test_align.py test_ops/test_cost.py'),
    Mutant('the temperature grows', 'alignmix_mm/ops/_annealed.py',
           'stage / stages)', '1 - stage / stages)',
           'test_ops/test_annealed.py'),
    # of every line of the transport that was mended
    *(Mutant(*fault) for fault in OPS),
    Mutant('weights of anchor and partner exchanged',
           'alignmix_mm/mixing/plan.py',
           'torch.lerp(partner.to(dtype), anchor.to(dtype),',
           'torch.lerp(anchor.to(dtype), partner.to(dtype),', MIX),
    Mutant('pairs not swapped', 'alignmix_mm/mixing/plan.py',
           'return (paired, x) if self.swaps else (x, paired)',
           'return x, paired', MIX),
    Mutant('labels unmixed', 'alignmix_mm/mixing/augment.py',
           'scores = plan.mix(scores)', 'scores = scores', MIX),
    Mutant('labels of clean batches mixed', 'alignmix_mm/mixing/augment.py',
           "if plan.tag != 'clean':", 'if True:', MIX),
    Mutant('pixels unmixed', 'alignmix_mm/mixing/augment.py',
           'batch_inputs = plan.mix(batch_inputs)', 'pass', MIX),
    Mutant('the mode depends on the rank', 'alignmix_mm/mixing/augment.py',
           'shared = np.random.default_rng((self.mode_seed, step))',
           'shared = np.random.default_rng((self.mode_seed, get_rank(), '
           'step))', MIX),
    Mutant('all steps draw alike', 'alignmix_mm/mixing/augment.py',
           'hub.update_info(STEP_KEY, step + 1)', 'pass', MIX),
    Mutant('embeddings mixed twice', 'alignmix_mm/models/classifiers.py',
           '        if place is not None:  # features are mixed already\n'
           '            plan = None\n', '',
           'test_models'),
    Mutant('blocks with the eps of positions', 'alignmix_mm/models/mixer.py',
           'self.eps * side**2', 'self.eps', 'test_models/test_mixer.py'),
    Mutant('class tokens aligned', 'alignmix_mm/models/mixer.py',
           'x[:, :num_extra], x[:, num_extra:]',
           'x[:, :0], x[:, 0:]', 'test_models'),
    Mutant('mean and deviation aligned apart', 'alignmix_mm/models/mixer.py',
           'align(b.flatten(2), R).view_as(a)', 'b.view_as(a)',
           'test_models'),
    Mutant('images reconstructed in the wrong range',
           'alignmix_mm/models/autoencoder.py', 'pixels / 127.5 - 1',
           'pixels / 255', 'test_models/test_autoencoder.py'),
    Mutant('divergence of twice the size', 'alignmix_mm/models/gaussian.py',
           'return 0.5 * (mean.square()', 'return 1.0 * (mean.square()',
           'test_models/test_gaussian.py'),
    Mutant('samples in evaluation', 'alignmix_mm/models/gaussian.py',
           'if not self.training:', 'if False:',
           'test_models/test_gaussian.py'),
    Mutant('embedding not divided by the positions',
           'alignmix_mm/models/embeddings.py', 'positions**-0.5',
           'positions**0', 'test_models/test_embeddings.py'),
    Mutant('edges belong to the next bin', f'{FUNCTIONAL}/calibration.py',
           "confidence, side='left')", "confidence, side='right')", CAL),
    Mutant('over-confidence counts both ways',
           f'{FUNCTIONAL}/calibration.py',
           'np.maximum(self.conf - self.acc, 0)',
           'np.abs(self.conf - self.acc)', CAL),
    Mutant('empty bins weigh', f'{FUNCTIONAL}/calibration.py',
           'self.count[filled] / self.count.sum()',
           'np.ones(filled.sum()) / len(filled)', CAL),
    Mutant('attacks descend', f'{FUNCTIONAL}/attacks.py',
           'x.detach() + step * gradient.sign()',
           'x.detach() - step * gradient.sign()', ATTACK),
    Mutant('attacks leave the ball', f'{FUNCTIONAL}/attacks.py',
           '.clamp(low, high)', '.clamp(*bounds)', ATTACK),
    Mutant('a start outside the range', f'{FUNCTIONAL}/attacks.py',
           'return (images + eps * noise).clamp(*bounds)',
           'return images + eps * noise', ATTACK),
    Mutant('boxes one pixel short', f'{FUNCTIONAL}/boxes.py',
           'np.maximum(high - low + 1, 0)', 'np.maximum(high - low, 0)', BOX),
    Mutant('foreground counts the threshold itself',
           f'{FUNCTIONAL}/boxes.py',
           'cuts = (thresholds * int(levels.max())).astype(np.int64)',
           'cuts = (thresholds * int(levels.max())).astype(np.int64) - 1',
           BOX),
    Mutant('a box fits only above the level',
           f'{FUNCTIONAL}/localization.py',
           'accuracy = (curves >= level).mean(0)',
           'accuracy = (curves > level).mean(0)', BOX),
    Mutant('the last of equally good thresholds',
           f'{FUNCTIONAL}/localization.py',
           "        best = int(accuracy.argmax())\n        name = f'@",
           "        best = len(accuracy) - 1 - int(accuracy[::-1].argmax())\n"
           "        name = f'@", BOX),
    Mutant('MixSchedule ends an epoch late',
           'alignmix_mm/engine/hooks/mix_schedule.py', '- self.off_last', '',
           'test_engine/test_hooks/test_mix_schedule.py'),
    Mutant('a checkpoint is not renamed',
           'alignmix_mm/engine/checkpoints.py',
           'part.replace(path)', 'part.replace(f"{path}.new")',
           'test_engine/test_checkpoints.py '
           'test_engine/test_hooks/test_checkpoint_hook.py'),
    Mutant('names are not registered', 'alignmix_mm/_registration.py',
           "    'BATCH_AUGMENTS': ('mixing.augment', ),\n", '',
           'test_startup.py test_public_api.py'),
    Mutant('a milestone of a config is wrong',
           'configs/_base_/schedules/cifar_2000e.py',
           'milestones=[500, 1000, 1500]', 'milestones=[500, 1000, 1600]',
           'test_configs'),
    Mutant('alpha of a baseline is wrong',
           'configs/baselines/input_r18_cifar100.py',
           "type='Mixup', alpha=1.0", "type='Mixup', alpha=0.2",
           'test_configs'),
    Mutant('the wrong class of the map',
           'alignmix_mm/models/localization/cam.py',
           "key = f'{self.cam}_label'", "key = 'pred_label'",
           'test_models/test_localization/test_cam_classifier.py'),
    Mutant('a command returns success when it does not exist',
           'alignmix_mm/cli/main.py', '    return 2\n', '    return 0\n',
           'test_startup.py'),
    Mutant('resuming starts anew', 'alignmix_mm/cli/common/config.py',
           'cfg.resume, cfg.load_from = True, str(latest)',
           'cfg.resume, cfg.load_from = False, str(latest)',
           'test_cli/test_cli_config.py'),
)


def put(mutant: Mutant, copy: Path) -> None:
    """Write a fault into a copy of the checkout."""
    file = copy / mutant.file
    text = file.read_text()
    count = text.count(mutant.old)
    if count != 1:
        raise SystemExit(f'{mutant.name}: {mutant.file} has the text '
                         f'{mutant.old!r} {count} times, not once.')
    file.write_text(text.replace(mutant.old, mutant.new))


def caught(mutant: Mutant, copy: Path) -> str | None:
    """Name of the first test that fails, None if all pass."""
    put(mutant, copy)
    try:
        result = subprocess.run(
            [sys.executable, '-m', 'pytest', '-q', '-x', '-m', TIER, '-rf',
             '--durations=0', '--durations-min=1000', '-p', 'no:cacheprovider',
             *(f'tests/{name}' for name in mutant.tests.split())],
            cwd=copy, capture_output=True, text=True,
            env={**os.environ, 'OMP_NUM_THREADS': '1',
                 'PYTHONDONTWRITEBYTECODE': '1'})
    finally:
        shutil.copy(ROOT / mutant.file, copy / mutant.file)
    if result.returncode not in (0, 1):  # 1: tests failed
        raise SystemExit(f'{mutant.name}: the tests did not run.\n'
                         f'{result.stdout[-2000:]}{result.stderr[-2000:]}')
    failed = [line for line in result.stdout.splitlines()
              if line.startswith(('FAILED', 'ERROR'))]
    return failed[0].split(' - ')[0] if failed else None


def main() -> None:
    """Try all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('patterns', nargs='*', metavar='PATTERN')
    args = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if not args.patterns or any(
        word in mutant.name for word in args.patterns)]
    alive = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / 'checkout'
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(
            '.*', 'work_dirs', 'build', '__pycache__', '*.egg-info'))
        for mutant in chosen:
            test = caught(mutant, copy)
            print(f'{mutant.name}: {test or "NOT CAUGHT"}', flush=True)
            if test is None:
                alive.append(mutant.name)
    print(f'{len(chosen) - len(alive)} of {len(chosen)} caught')
    if alive:
        sys.exit('Not caught: ' + '; '.join(alive))


if __name__ == '__main__':
    main()
