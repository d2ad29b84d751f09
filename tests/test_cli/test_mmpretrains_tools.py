"""Two processes with MMPretrain's own train.py, and none of our hooks."""
import json
from pathlib import Path

import mmpretrain
import pytest
import torch
from commands import python
from conftest import ROOT
from small_run import small_config, write_images

TRAIN = Path(mmpretrain.__file__).parent / '.mim' / 'tools' / 'train.py'
pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(torch.cuda.is_available(),
                       reason='tests the way without a GPU'),
    pytest.mark.skipif(not TRAIN.exists(),
                       reason='MMPretrain comes without its tools')]
# MMEngine's launcher takes a GPU for granted, unless there is a group already
START = """
import runpy
import sys
import torch.distributed
torch.distributed.init_process_group('gloo')
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    """Each rank draws AlignMix, CutMix or nothing by itself."""
    folder = tmp_path_factory.mktemp('stock')
    cfg = small_config(
        write_images(folder / 'images', per_class=16), folder / 'run',
        epochs=5, **{'randomness.diff_rank_seed': True})
    cfg.model = dict(
        type='AlignMixClassifier', mix_at=['layer3', None],
        backbone=dict(type='PreActResNet_CIFAR', depth=18, base_channels=4,
                      stem_stride=2, last_stride=1),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=3, in_channels=32),
        train_cfg=dict(augments=[dict(type='AlignMix'),
                                 dict(type='CutMix', alpha=1.)],
                       probs=[.6, .3]))
    cfg.model_wrapper_cfg = dict(type='MMDistributedDataParallel',
                                 device_ids=None)
    cfg.default_hooks.checkpoint.max_keep_ckpts = -1
    cfg.custom_imports = dict(imports=['alignmix_mm', 'small_run'])
    cfg.custom_hooks = [dict(type='Witness')]
    cfg.dump(folder / 'config.py')
    (folder / 'start.py').write_text(START)
    launch(folder, 'run')
    return folder


def launch(folder, run, *options):
    python('-m', 'torch.distributed.run', '--nproc_per_node=2',
           '--standalone', folder / 'start.py', TRAIN, folder / 'config.py',
           '--launcher', 'pytorch', '--work-dir', folder / run, *options,
           PYTHONPATH=f'{ROOT}:{ROOT}/tests')


def ranks(folder):
    return [json.loads((folder / f'rank{n}.json').read_text())
            for n in (0, 1)]


def by_step(rank):
    """Plans of the steps in which AlignMix was drawn, once in each."""
    plans = {plan['step']: plan for plan in rank['plans']}
    assert len(plans) == len(rank['plans'])
    return plans


def test_ranks_that_draw_other_augmentations_agree_on_modes(config):
    first, second = ranks(config / 'run')
    assert len(first['digests']) == 20
    assert first['digests'] == second['digests']
    one, two = by_step(first), by_step(second)
    alone = set(one) ^ set(two)
    both = sorted(set(one) & set(two))
    assert len(alone) >= 3
    # and most of what both draw comes after one has drawn by itself
    later = [step for step in both if step > min(alone)]
    assert len(later) >= 4
    assert len({one[step]['mode'] for step in later}) >= 3
    for step in both:
        assert one[step]['mode'] == two[step]['mode']
        assert one[step]['place'] == two[step]['place']
        assert one[step]['lam'] != two[step]['lam']


def test_a_resumed_run_draws_what_it_would_have(config):
    """Whatever was drawn before: MMEngine starts numpy's numbers anew."""
    launch(config, 'resumed', '--resume', config / 'run' / 'epoch_2.pth')
    agreed = 0
    for whole, rest in zip(ranks(config / 'run'), ranks(config / 'resumed')):
        whole, rest = by_step(whole), by_step(rest)
        assert min(rest) >= 8
        for step in set(whole) & set(rest):
            assert rest[step] == whole[step]
            agreed += 1
    assert agreed >= 4
