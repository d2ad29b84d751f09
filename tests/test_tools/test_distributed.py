"""Two processes that train together, with gloo."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from small_run import small_config, write_images

pytestmark = pytest.mark.skipif(
    torch.cuda.is_available(), reason='tests the way without a GPU')


def launch(config, work_dir, *options, port=29533):
    environment = {
        **os.environ, 'OMP_NUM_THREADS': '1', 'PORT': str(port),
        'PYTHONPATH': str(ROOT / 'tests'),
        'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}'}
    result = subprocess.run(
        ['bash', 'tools/dist_train.sh', str(config), '2', '--work-dir',
         str(work_dir), *options], cwd=ROOT, capture_output=True, text=True,
        env=environment)
    output = result.stdout + result.stderr
    assert result.returncode == 0, output[-3000:]
    return output


def write_config(folder, **changes):
    images = write_images(folder / 'images', per_class=16)
    cfg = small_config(images, folder / 'run', **{
        'train_dataloader.batch_size': 6, **changes})
    cfg.custom_imports = dict(imports=['alignmix_mm', 'small_run'])
    cfg.custom_hooks = [dict(type='Witness')]
    cfg.dump(folder / 'config.py')
    return folder / 'config.py'


def ranks(folder):
    return [json.loads((folder / f'rank{n}.json').read_text())
            for n in (0, 1)]


PLAIN = {  # AlignMix without decoder, at several places
    'model': dict(
        _delete_=True, type='AlignMixClassifier', mix_at=['layer3', None],
        backbone=dict(type='PreActResNet_CIFAR', depth=18, base_channels=4,
                      stem_stride=2, last_stride=1),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=3, in_channels=32,
                  loss=dict(type='CrossEntropyLoss', use_soft=True)),
        train_cfg=dict(augments=[dict(type='AlignMix')]))}


@pytest.mark.parametrize('changes', [PLAIN, {}], ids=['AlignMix', 'VAE'])
def test_ranks_share_the_mode_and_the_parameters(tmp_path, changes):
    """Twenty steps, of all modes."""
    config = write_config(tmp_path, epochs=5, **changes)
    launch(config, tmp_path / 'run')
    first, second = ranks(tmp_path / 'run')
    assert len(first['digests']) == 20
    assert first['digests'] == second['digests']
    assert len(set(first['digests'])) == 20
    # some batches are CutMix's, in one of the two: on both ranks the same
    assert len(first['plans']) == len(second['plans']) >= 10
    plans = list(zip(first['plans'], second['plans']))
    for one, two in plans:
        assert (one['mode'], one['place']) == (two['mode'], two['place'])
        assert one['lam'] != two['lam']
    assert sum(one['perm'] != two['perm'] for one, two in plans) > 5
    assert len({one['mode'] for one, _ in plans}) >= 4
    # and no image is seen by both in one epoch
    for epoch in range(5):
        steps = slice(4 * epoch, 4 * epoch + 4)
        seen = [{path for batch in rank['images'][steps] for path in batch}
                for rank in (first, second)]
        assert len(seen[0]) == len(seen[1]) == 24
        assert not seen[0] & seen[1]


@pytest.mark.slow
def test_two_processes_resume_exactly(tmp_path):
    config = write_config(tmp_path, epochs=4, **{
        'default_hooks.checkpoint.max_keep_ckpts': -1})
    launch(config, tmp_path / 'run')
    launch(config, tmp_path / 'resumed', '--resume',
           str(tmp_path / 'run' / 'epoch_2.pth'))
    for whole, rest in zip(ranks(tmp_path / 'run'),
                           ranks(tmp_path / 'resumed')):
        assert rest['digests'] == whole['digests'][8:]
        assert rest['images'] == whole['images'][8:]
        count = len(rest['plans'])
        assert rest['plans'] == whole['plans'][-count:]


@pytest.mark.slow
def test_both_ranks_skip_what_is_nan_on_one(tmp_path):
    config = write_config(tmp_path, epochs=3, **PLAIN)
    text = config.read_text()
    pack = "dict(type='PackInputs'),"
    assert text.count(pack) == 1
    config.write_text(text.replace(
        pack, f"dict(type='Poison', index=5), {pack}"))
    output = launch(config, tmp_path / 'run', '--on-nan', 'skip')
    first, second = ranks(tmp_path / 'run')
    assert first['digests'] == second['digests']
    # once in every epoch, on one of the two
    assert output.count('The batch is skipped') >= 3
    assert 'The loss of another rank' in output
    still = [n for n in range(1, 12)
             if first['digests'][n] == first['digests'][n - 1]]
    assert 2 <= len(still) <= 3
