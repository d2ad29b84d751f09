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
from mutants_runs import RUNS

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
PUZZLE = 'test_mixing/test_functional/test_puzzle_'
FUNCTIONAL = 'alignmix_mm/evaluation/functional'
MIXING = 'alignmix_mm/mixing/functional'
CO_TERMS, CO_SOLVER, CO_SWEEPS = (
    f'test_mixing/test_functional/test_comixup{part}.py'
    for part in ('', '_solver', '_sweeps'))
SAL = 'test_mixing/test_functional/test_saliency.py'
PASTE = 'test_mixing/test_functional/test_mixing_boxes.py'
STYLE = ('test_mixing/test_functional/test_style.py '
         'test_mixing/test_functional/test_style_classes.py')
STYLEMIX = 'test_mixing/test_stylemix.py'
SALMIX = 'test_mixing/test_saliencymix.py'
NETWORKS = 'test_mixing/test_style_networks.py'
ROOM = 'alignmix_mm/mixing'
ERASE = 'test_models/test_localization/test_erasing.py'
ADL = 'test_models/test_localization/test_adl.py'
ACOL = 'test_models/test_localization/test_acol.py'
LOCALIZATION = 'alignmix_mm/models/localization'
HOOKS = 'alignmix_mm/engine/hooks'
EVIDENCE = 'test_models/test_evidence.py'
HEADS = 'test_models/test_heads.py'
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
    *(Mutant(*fault) for fault in (*OPS, *RUNS)),
    Mutant('weights of anchor and partner exchanged',
           'alignmix_mm/mixing/pairs.py',
           'torch.lerp(partner.to(dtype), anchor.to(dtype),',
           'torch.lerp(anchor.to(dtype), partner.to(dtype),', MIX),
    Mutant('pairs not swapped', 'alignmix_mm/mixing/pairs.py',
           'return (paired, x) if self.swap else (x, paired)',
           'return x, paired', MIX),
    Mutant('labels unmixed', 'alignmix_mm/mixing/plan.py',
           'scores if self.labels is None else self.labels(scores)',
           'scores', MIX),
    Mutant('labels of clean batches mixed', 'alignmix_mm/mixing/alignmix.py',
           "MixPlan('clean', classifies=False)",
           "MixPlan('clean', labels=pairs, classifies=False)", MIX),
    Mutant('pixels unmixed', 'alignmix_mm/mixing/plan.py',
           'images if self.pixels is None else self.pixels(images)',
           'images', MIX),
    Mutant('the mode depends on the rank', 'alignmix_mm/mixing/draws.py',
           'np.random.default_rng((seed, *step))',
           'np.random.default_rng((seed, get_rank(), *step))', MIX),
    Mutant('all steps draw alike', 'alignmix_mm/mixing/draws.py',
           'hub.update_info(STEP_KEY, (iteration, calls + 1))', 'pass', MIX),
    Mutant('features mixed twice', 'alignmix_mm/models/places.py',
           'replace(plan, features=None)', 'plan',
           'test_models'),
    Mutant('blocks with the eps of positions', 'alignmix_mm/mixing/aligned.py',
           "options['eps'] * side**2", "options['eps']",
           'test_models/test_mixer.py'),
    Mutant('class tokens aligned', 'alignmix_mm/models/mixer.py',
           'x[:, :num_extra], x[:, num_extra:]',
           'x[:, :0], x[:, 0:]', 'test_models'),
    Mutant('mean and deviation aligned apart',
           'alignmix_mm/mixing/aligned.py',
           'align(partner.flatten(2), R).view_as(anchor)',
           'partner.view_as(anchor)',
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
           "'BATCH_AUGMENTS': ('mixing.alignmix', ", "'BATCH_AUGMENTS': (",
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
    Mutant('masks hide what they should show', f'{MIXING}/puzzle_terms.py',
           'torch.stack((share, share[perm]))',
           'torch.stack((share[perm], share))', f'{PUZZLE}terms.py'),
    Mutant('borders of the first cell of a block',
           f'{MIXING}/puzzle_terms.py', 'pooled[..., cells - 1:-1:cells, :]',
           'pooled[..., :-cells:cells, :]', f'{PUZZLE}terms.py'),
    Mutant('upper and lower block exchanged', f'{MIXING}/puzzle_terms.py',
           'F.pad(d.mean(1), (0, 0, 0, 1))', 'F.pad(d.mean(0), (0, 0, 0, 1))',
           f'{PUZZLE}terms.py'),
    Mutant('smoothness of masks not divided by blocks',
           f'{MIXING}/puzzle_terms.py', 'scale = beta / blocks / 16',
           'scale = beta / 16', f'{PUZZLE}terms.py'),
    Mutant('a prior without binomials', f'{MIXING}/puzzle_terms.py',
           'comb(last, label) * lam', 'lam', f'{PUZZLE}terms.py'),
    Mutant('energy without the edges between columns',
           f'{MIXING}/puzzle_terms.py',
           '(right * masks.diff(dim=2).square())',
           '(0 * right * masks.diff(dim=2).square())', f'{PUZZLE}terms.py'),
    Mutant('zero saliency is not a share', f'{MIXING}/_blocks.py',
           'torch.full_like(shares, 1 / blocks**2)', 'shares',
           f'{PUZZLE}terms.py'),
    Mutant('states overflow a byte', f'{MIXING}/puzzle_solver.py',
           'oldest.gather(1, state).long()', 'oldest.gather(1, state)',
           f'{PUZZLE}solver.py'),
    Mutant('costs of pairs by distance, not its square',
           f'{MIXING}/puzzle_solver.py',
           '(labels[:, None] - labels).square()',
           '(labels[:, None] - labels).abs()', f'{PUZZLE}solver.py'),
    Mutant('levels further apart are not joined',
           f'{MIXING}/_puzzle_flow.py',
           '2 * np.tri(count, k=-1) + np.eye(count)', 'np.eye(count)',
           f'{PUZZLE}solver.py'),
    Mutant('flow rounded to int32 only once', f'{MIXING}/_puzzle_flow.py',
           '* (LARGEST // per_image)', '* 1',
           f'{PUZZLE}solver.py'),
    Mutant('capacities wrap', f'{MIXING}/_puzzle_flow.py',
           'scale = LARGEST / ', 'scale = 64 * LARGEST / ',
           f'{PUZZLE}solver.py'),
    Mutant('losing claims cost nothing', f'{MIXING}/puzzle_transport.py',
           'cost[lost, claim[lost]] += 1', 'cost[lost, claim[lost]] += 0',
           f'{PUZZLE}transport.py'),
    Mutant('the last of equal claimants wins',
           f'{MIXING}/puzzle_transport.py',
           "torch.full_like(number, len(number)).scatter_reduce(\n"
           "        0, place, able, 'amin')",
           "torch.full_like(number, -1).scatter_reduce(0, place, torch.where("
           "able == len(number), -1, able), 'amax')",
           f'{PUZZLE}transport.py'),
    Mutant('equal distances are rounded apart',
           f'{MIXING}/puzzle_transport.py',
           'price = t_eps * (distance.double() / max(side - 1, 1)**2)',
           'part = apart.double() / max(side - 1, 1)**2\n'
           '    price = t_eps * (part[:, None, :, None] + part[None, :, None]'
           ').view(side**2, side**2)', f'{PUZZLE}transport.py'),
    Mutant('hidden places are worth as much', f'{MIXING}/puzzle_transport.py',
           '(masks > 0).double()', '(masks >= 0).double()',
           f'{PUZZLE}transport.py'),
    Mutant('the partner moves by the mask of the image',
           f'{MIXING}/puzzle_transport.py', 'partner, 1 - seen',
           'partner, seen', f'{PUZZLE}transport.py'),
    Mutant('the partner moves by the saliency of the image',
           f'{MIXING}/puzzle_transport.py', 'share[perm], t_eps)',
           'share, t_eps)', f'{PUZZLE}transport.py'),
    Mutant('distances not scaled by the number of inputs',
           f'{MIXING}/comixup.py', 'omega * inputs * distance',
           'omega * distance', CO_TERMS),
    Mutant('the prior by blocks of a side', f'{MIXING}/comixup.py',
           'eta / blocks**2', 'eta / blocks', CO_TERMS),
    Mutant('a penalty at the threshold itself', f'{MIXING}/comixup.py',
           'used > tau * cells', 'used >= tau * cells', CO_TERMS),
    Mutant('a penalty of compatible counts', f'{MIXING}/comixup.py',
           'crowded = counts * (used', 'crowded = used * (used', CO_TERMS),
    Mutant('edges of the objective twice', f'{MIXING}/comixup.py',
           'beta / (2 * cells)', 'beta / cells', CO_TERMS),
    Mutant('an output shares with itself', f'{MIXING}/comixup.py',
           ' - counts.square().sum(dim=(1, 2))', '', CO_TERMS),
    Mutant('labels of mixtures not normalised', f'{MIXING}/comixup.py',
           'mixed_labels / total.where(total != 0, 1)', 'mixed_labels',
           CO_TERMS),
    Mutant('half/halves cost more', f'{MIXING}/comixup_solver.py',
           ' - HALF_BONUS', ' + HALF_BONUS', CO_SOLVER),
    Mutant('the last of equal counts are the largest',
           f'{MIXING}/_candidates.py',
           'largest = counts.sort(',
           'largest = counts.shape[1] - 1 - counts.flip(1).sort(', CO_SOLVER),
    Mutant('half/halves of absent inputs', f'{MIXING}/_candidates.py',
           'present[:, a] & present[:, b]', 'present[:, a] | present[:, b]',
           CO_SOLVER),
    Mutant('half/halves farther from their inputs',
           f'{MIXING}/_candidates.py', 'related = 1.5 *', 'related = 1 *',
           CO_SOLVER),
    Mutant('inputs dropped that are worse in some blocks',
           f'{MIXING}/_candidates.py', '.amax(-1)\n', '.mean(-1)\n',
           CO_SOLVER),
    Mutant('inputs dropped that have half/halves',
           f'{MIXING}/_candidates.py',
           'return beaten & (counts == 0) if soft else beaten',
           'return beaten', CO_SOLVER),
    Mutant('candidates dropped that neighbours could pay',
           f'{MIXING}/_candidates.py', 'far = excess > 4 * edges',
           'far = excess > edges', CO_SOLVER),
    Mutant('bounds drop what a minimum has', f'{MIXING}/_chain_bounds.py',
           'slack = upper + TOLERANCE', 'slack = upper - 1e-3', CO_SOLVER),
    Mutant('costs shift too far between chains',
           f'{MIXING}/_chain_bounds.py', '(rows - columns) / costs.shape[1]',
           '(rows - columns)', CO_SOLVER),
    Mutant('the last of equal labellings', f'{MIXING}/_row_search.py',
           'index = (energies <= least).to(torch.uint8).argmax(',
           'index = energies.shape[1] - 1 - (energies <= least).to('
           'torch.uint8).flip(1).argmax(', CO_SOLVER),
    Mutant('half/halves from the first sweep', f'{MIXING}/comixup_sweeps.py',
           'soft=sweep > 0', 'soft=True', CO_SWEEPS),
    Mutant('outputs told apart too late', f'{MIXING}/comixup_sweeps.py',
           'sweep == niter - 2', 'sweep == niter - 1', CO_SWEEPS),
    Mutant('the later output avoids the first input',
           f'{MIXING}/comixup_sweeps.py',
           'same.triu(1).any(2), same.tril(-1).any(2)',
           'same.tril(-1).any(2), same.triu(1).any(2)', CO_SWEEPS),
    Mutant('an output is crowded by itself', f'{MIXING}/comixup_sweeps.py',
           'others, compatibility, cells', 'total, compatibility, cells',
           CO_SWEEPS),
    Mutant('parts that stand still are swept on',
           f'{MIXING}/comixup_sweeps.py',
           'z = swept.where(running[:, None, None, None, None], z)',
           'z = swept', CO_SWEEPS),
    Mutant('saliency: red and blue exchanged',
           f'{ROOM}/functional/saliency.py',
           "{'rgb': (9798, 19235, 3735)", "{'rgb': (3735, 19235, 9798)", SAL),
    Mutant('saliency: luma is cut, not rounded',
           f'{ROOM}/functional/saliency.py', '2**14, dtype', '0, dtype',
           SAL),
    Mutant('saliency: blurred once', f'{ROOM}/functional/saliency.py',
           '_blur(_blur(_to_gray(images, channel_order)))',
           '_blur(_to_gray(images, channel_order))', SAL),
    Mutant('saliency: borders are repeated, not mirrored',
           f'{ROOM}/functional/saliency.py',
           'first, last = min(1, size - 1), max(size - 2, 0)',
           'first, last = 0, size - 1', SAL),
    Mutant('saliency: windows are a pixel smaller',
           f'{ROOM}/functional/saliency.py',
           'before.narrow(dim, radius + 1, inside)',
           'before.narrow(dim, radius, inside)', SAL),
    Mutant('saliency: the mean has the centre in it',
           f'{ROOM}/functional/saliency.py', '(count - 1).float()',
           'count.float()', SAL),
    Mutant('saliency: windows that cover all count once',
           f'{ROOM}/functional/saliency.py',
           'yield (radii.count(radius),', 'yield (1,', SAL),
    Mutant('saliency: not saturated', f'{ROOM}/functional/saliency.py',
           '.clamp_(max=255)', '', SAL),
    Mutant('denormalize cuts', f'{ROOM}/functional/saliency.py',
           'pixels.round().clamp(0, 255)', 'pixels.clamp(0, 255)', SAL),
    Mutant('misread bytes do not wrap', f'{ROOM}/functional/misread.py',
           '.int() & 255', '.int().clamp(max=255)', SAL),
    Mutant('boxes of the share of a side', f'{ROOM}/functional/boxes.py',
           'share.sqrt()', 'share', PASTE),
    Mutant('boxes are not clipped', f'{ROOM}/functional/boxes.py',
           'clamp(min=torch.zeros_like(sides), max=sides)',
           'clamp(min=torch.zeros_like(sides))', PASTE),
    Mutant('boxes of the share lambda', f'{ROOM}/functional/boxes.py',
           'box_around(saliency.shape[-2:], 1 - lam, center)',
           'box_around(saliency.shape[-2:], lam, center)', PASTE),
    Mutant('boxes have their last row inside',
           f'{ROOM}/functional/boxes.py', '(y[:, None] < y2)',
           '(y[:, None] <= y2)', PASTE),
    Mutant('biased variance of styles',
           f'{ROOM}/functional/channel_moments.py',
           '(2, 3), keepdim=True)', '(2, 3), correction=0, keepdim=True)',
           STYLE),
    Mutant('own style for the partner\'s', f'{ROOM}/functional/style.py',
           '(rs - t) * restyle(partner, of_partner, of_own)',
           '(rs - t) * restyle(own, of_own, of_partner)', STYLE),
    Mutant('StyleCutMix restyles by rs on both sides',
           f'{ROOM}/functional/style.py',
           '(1 - rs) * partner + rs * other', 'rs * partner + (1 - rs) * '
           'other', STYLE),
    Mutant('resizing aligns corners', f'{ROOM}/functional/style.py',
           'align_corners=False', 'align_corners=True', STYLE),
    Mutant('like classes are at no distance',
           f'{ROOM}/functional/style_classes.py',
           ' + same_class * same', '', STYLE),
    Mutant('the label of StyleCutMix without the style',
           f'{ROOM}/stylemix.py',
           'style = gamma * lam + (1 - gamma) * draw.rs', 'style = lam',
           STYLEMIX),
    Mutant('networks read when they are configured',
           f'{ROOM}/style_networks.py',
           'self.mean, self.std = mean, std\n',
           'self.mean, self.std = mean, std\n'
           "        self.on(torch.device('cpu'))\n", STYLEMIX),
    Mutant('weights may hold any object', f'{ROOM}/style_networks.py',
           'weights_only=True', 'weights_only=False', NETWORKS),
    Mutant('pooling cuts odd sizes', f'{ROOM}/style_networks.py',
           'ceil_mode=True', 'ceil_mode=False', NETWORKS),
    Mutant('the box of SaliencyMix is the own one',
           f'{ROOM}/saliencymix.py', 'self.saliency(partner[:1])',
           'self.saliency(batch_inputs[:1])', SALMIX),
    Mutant('SaliencyMix weighs by lambda', f'{ROOM}/saliencymix.py',
           'own = 1 - box_share(box, images.shape[-2:])', 'own = lam',
           SALMIX),
    Mutant('ADL: the threshold itself is kept', f'{LOCALIZATION}/erasing.py',
           'attention < threshold * peak', 'attention <= threshold * peak',
           ERASE),
    Mutant('ADL: the maximum of the batch', f'{LOCALIZATION}/erasing.py',
           'attention.amax((1, 2, 3), keepdim=True)',
           'attention.amax((0, 1, 2, 3), keepdim=True)', ERASE),
    Mutant('ADL: attention is detached', f'{LOCALIZATION}/erasing.py',
           'features * attention.sigmoid()',
           'features * attention.detach().sigmoid()', ERASE),
    Mutant('ADL: attention is the largest channel',
           f'{LOCALIZATION}/erasing.py', 'features.mean(1, keepdim=True)',
           'features.amax(1, keepdim=True)', ERASE),
    Mutant('ADL: drop mask and importance map swapped',
           f'{LOCALIZATION}/erasing.py', 'if not drop:', 'if drop:', ERASE),
    Mutant('ADL: acts in evaluation', f'{LOCALIZATION}/adl.py',
           '        if not self.training:\n            return x\n', '', ADL),
    Mutant('ADL: keeps instead of drops', f'{LOCALIZATION}/adl.py',
           'torch.rand(()) + self.drop_rate >= 1',
           'torch.rand(()) + self.drop_rate < 1', ADL),
    Mutant('ADL: arguments out of range', f'{LOCALIZATION}/adl.py',
           'if not 0 <= value <= 1:', 'if value > 1:', ADL),
    Mutant('ADL: replaced modules are not hooked', f'{LOCALIZATION}/adl.py',
           '        backbone.register_forward_pre_hook(self._attach)\n', '',
           ADL),
    Mutant('ADL: hooked again at each pass', f'{LOCALIZATION}/adl.py',
           'if self._hooked[0] is module:\n                return\n'
           '            self._hooked[1].remove()', 'pass', ADL),
    Mutant('ADL: follows the hooked module', f'{LOCALIZATION}/adl.py',
           '        if not self.training:\n            return output',
           '        if not module.training:\n            return output', ADL),
    Mutant('maps are normalized over the classes',
           f'{LOCALIZATION}/erasing.py', 'function((-2, -1), keepdim=True)',
           'function(tuple(range(1, maps.ndim)), keepdim=True)', ERASE),
    Mutant('a constant map becomes NaN', f'{LOCALIZATION}/erasing.py',
           'torch.where(span == 0, 1, span)', 'span', f'{ERASE} {ACOL}'),
    Mutant('ACoL: the threshold itself is kept',
           f'{LOCALIZATION}/erasing.py', '~(attention >= threshold)',
           '~(attention > threshold)', ERASE),
    Mutant('ACoL: attention is what is kept', f'{LOCALIZATION}/erasing.py',
           'kept = ~(attention >= threshold)',
           'kept = attention >= threshold', f'{ERASE} {ACOL}'),
    Mutant('ACoL: branch B sees everything', f'{LOCALIZATION}/acol.py',
           'erase_attended(x, attention, self.drop_threshold))', 'x)', ACOL),
    Mutant('ACoL: the prediction is erased in training',
           f'{LOCALIZATION}/acol.py',
           "feats, labels if key == 'gt_score' else labels[:, 0])", 'feats)',
           ACOL),
    Mutant('ACoL: the map of the mean', f'{LOCALIZATION}/acol.py',
           'return torch.maximum(a, b)', 'return (a + b) / 2', ACOL),
    Mutant('ACoL: branch B has no loss', f'{LOCALIZATION}/acol.py',
           "loss=losses['loss'] + other['loss']", "loss=losses['loss']",
           ACOL),
    Mutant('ACoL: poolings of VGG do not overlap',
           'alignmix_mm/models/backbones/vgg_acol.py',
           '3, next(strides), padding=1)', '2, next(strides))',
           'test_models/test_backbones/test_vgg_acol.py'),
    Mutant('ACoL: padding does not count',
           'alignmix_mm/models/backbones/vgg_acol.py',
           'stride=1, padding=1), )',
           'stride=1, padding=1, count_include_pad=False), )',
           'test_models/test_backbones/test_vgg_acol.py'),
    Mutant('ACoL: the map of branch A as the classifier\'s',
           'alignmix_mm/models/localization/cam.py',
           'model.head.localization_map(embedding, labels).float()',
           'model.head.branch_a(embedding[-1])[range(len(labels)), labels]',
           ACOL),
    # The protocol of mixing methods: plans, evidence, heads, draws
    Mutant('protocol: gradients are taken in training',
           'alignmix_mm/models/evidence.py',
           '        if not trained:\n            model.eval()\n',
           '        pass\n', EVIDENCE),
    Mutant('protocol: networks stay in evaluation',
           'alignmix_mm/models/evidence.py',
           '            if module.training != active:\n',
           '            if False:\n', EVIDENCE),
    Mutant('protocol: the gradient of the mean',
           'alignmix_mm/models/evidence.py',
           'total.float() * len(images)',
           'total.float()', EVIDENCE),
    Mutant('protocol: clean losses without their weight',
           'alignmix_mm/models/evidence.py',
           'loss_clean=plan.clean_weight * value',
           'loss_clean=value', EVIDENCE),
    Mutant('protocol: clean losses train nothing',
           'alignmix_mm/models/evidence.py',
           'total.detach() + surrogate - surrogate.detach()',
           'total.detach()', EVIDENCE),
    Mutant('protocol: clean losses of the sum',
           'alignmix_mm/models/evidence.py',
           '(g / len(images)).to(p.dtype)',
           'g.to(p.dtype)', EVIDENCE),
    Mutant('protocol: pending plans mix no labels',
           'alignmix_mm/models/evidence.py',
           'scores = plan.mix_labels(\n',
           'scores = (\n', EVIDENCE),
    Mutant('protocol: pending plans mix no pixels',
           'alignmix_mm/models/evidence.py',
           'plan.mix_images(batch.images)',
           'batch.images', EVIDENCE),
    Mutant('protocol: pending plans mix where the gradient was taken',
           'alignmix_mm/models/evidence.py',
           'plan.mix_images(batch.images)',
           'plan.mix_images(batch.plan.images)', EVIDENCE),
    Mutant('protocol: labels are mixed in place',
           'alignmix_mm/models/evidence.py',
           '            '
           'DataSample().set_gt_score(score).set_gt_label(label) '
           'for\n            score, label in zip(scores, scores.argmax(1, '
           'True))], losses\n',
           '            sample.set_gt_score(score) for\n            score, '
           'sample in zip(scores, samples)], losses\n', EVIDENCE),
    Mutant('protocol: margins at the class of least weight',
           'alignmix_mm/models/evidence.py',
           'scores.argmax(1, True)',
           'scores.argmin(1, True)', HEADS),
    Mutant('protocol: checkpointing stays off',
           'alignmix_mm/models/evidence.py',
           '            module.with_cp = True\n',
           '            pass\n', EVIDENCE),
    Mutant("protocol: MMEngine's checkpointing stays on",
           'alignmix_mm/models/evidence.py',
           '            module.forward = forward.__wrapped__\n',
           '            pass\n', EVIDENCE),
    Mutant('protocol: the last epochs have integers',
           f'{HOOKS}/mix_schedule.py',
           'return images, scores.float()',
           'return images, scores', HEADS),
    Mutant('protocol: all methods have an alpha', f'{HOOKS}/mix_schedule.py',
           "getattr(self._augment, 'alpha', None)",
           'self._augment.alpha',
           'test_engine/test_hooks/test_mix_schedule.py'),
    Mutant('protocol: clean accuracy by mixed labels', f'{HOOKS}/mix_log.py',
           'for sample in observer.labels\n',
           'for sample in observer.samples\n',
           'test_engine/test_hooks/test_mix_log.py'),
    Mutant('protocol: one tensor of scores from all heads',
           f'{HOOKS}/mix_log.py',
           'if isinstance(scores, torch.Tensor):  # Con',
           'if True:  # Con', HEADS),
    Mutant('protocol: smoothed labels of several classes',
           'alignmix_mm/models/methods.py',
           "getattr(loss, 'mode', None) == 'multi_label'", 'False', HEADS),
    Mutant('protocol: heads of several tasks', 'alignmix_mm/models/methods.py',
           'if isinstance(head, MultiTaskHead):',
           'if False:', HEADS),
    Mutant('protocol: one label for FocalLoss', 'alignmix_mm/models/labels.py',
           'isinstance(loss, FocalLoss)',
           'False', HEADS),
    Mutant('protocol: labels of 1.0000001 end the run',
           'alignmix_mm/models/losses/softmax_bce.py',
           'label.float().clamp(max=1)',
           'label.float()', HEADS),
    Mutant('protocol: ranks mix at other places', f'{ROOM}/manifold.py',
           'draws.shared.integers',
           'draws.own.integers', 'test_mixing/test_manifold_mix.py'),
    Mutant('protocol: Manifold mixup weighs each image', f'{ROOM}/manifold.py',
           'per_batch=True',
           'per_batch=False', 'test_mixing/test_manifold_mix.py'),
    Mutant('protocol: places are not looked for', f'{ROOM}/manifold.py',
           'tuple(name for name in self.places if name != INPUT)',
           '()', 'test_mixing/test_manifold_mix.py'),
    Mutant('protocol: the matrix forgets repeated parents',
           f'{ROOM}/mixture.py',
           '.scatter_add(\n',
           '.scatter(\n', 'test_mixing/test_mixture.py'),
    Mutant('protocol: sums in the dtype of the images', f'{ROOM}/mixture.py',
           'dtype = torch.promote_types(x.dtype, torch.float32)',
           'dtype = x.dtype', 'test_mixing/test_mixture.py'),
    Mutant('protocol: shares exchanged', f'{ROOM}/pairs.py',
           'torch.stack([lam, 1 - lam], 1)',
           'torch.stack([1 - lam, lam], 1)', 'test_mixing/test_mixture.py'),
    Mutant('protocol: unaligned pairs are not swapped', f'{ROOM}/aligned.py',
           'return Pairs(self.lam, self.perm, self.swap)',
           'return Pairs(self.lam, self.perm)', 'test_mixing/test_mixture.py'),
    Mutant('protocol: a step draws alike twice', f'{ROOM}/draws.py',
           '(iteration, calls) if calls else (iteration, )',
           '(iteration, )', 'test_mixing/test_draws.py'),
    Mutant('protocol: draws depend on what was drawn before',
           f'{ROOM}/draws.py',
           '    if iteration != before:\n        calls = 0\n',
           '', 'test_mixing/test_draws.py'),
    Mutant('protocol: ranks draw alike', f'{ROOM}/draws.py',
           '(torch.initial_seed(), get_rank(), *step)',
           '(torch.initial_seed(), *step)', 'test_mixing/test_draws.py'),
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
