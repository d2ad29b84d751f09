"""Two processes that train together, with gloo."""
import json
import os
import sys
from pathlib import Path

import pytest
import torch
from commands import free_port, process
from conftest import ROOT
from small_run import small_config, write_images
from tiny_run import tiny_config

pytestmark = [pytest.mark.process, pytest.mark.skipif(
    torch.cuda.is_available(), reason='tests the way without a GPU')]


def run(*command, folder='', **variables):
    """Run a script; programs in ``folder`` come first."""
    path = f'{folder}:{Path(sys.executable).parent}:{os.environ["PATH"]}'
    return process(*command, PYTHONPATH=f'{ROOT}:{ROOT}/tests', PATH=path,
                   **variables)


def launch(config, work_dir, *options):
    return run('bash', 'tools/dist_train.sh', config, 2, '--work-dir',
               work_dir, *options)


def write_config(folder, **changes):
    images = write_images(folder / 'images', per_class=16)
    cfg = small_config(images, folder / 'run', **{
        'train_dataloader.batch_size': 6, **changes})
    cfg.custom_imports = dict(imports=['alignmix_mm', 'small_run', 'sync_bn'])
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


@pytest.mark.parametrize('changes', [
    PLAIN, pytest.param({}, marks=pytest.mark.slow)], ids=['AlignMix', 'VAE'])
def test_ranks_share_the_mode_and_the_parameters(tmp_path, changes):
    """Twenty steps, of all modes."""
    config = write_config(tmp_path, epochs=5, **changes)
    launch(config, tmp_path / 'run')
    first, second = ranks(tmp_path / 'run')
    assert len(first['digests']) == 20
    assert first['digests'] == second['digests']
    assert len(set(first['digests'])) == 20
    assert first['buffers'] != second['buffers']  # without SyncBN
    # some batches are CutMix's, in one of the two: on both ranks the same
    assert len(first['plans']) == len(second['plans']) >= 10
    plans = list(zip(first['plans'], second['plans']))
    for one, two in plans:
        assert (one['mode'], one['place']) == (two['mode'], two['place'])
        assert one['mode'] == 'clean' or one['lam'] != two['lam']
    assert sum(one.get('perm') != two.get('perm') for one, two in plans) > 5
    assert len({one['mode'] for one, _ in plans}) >= 4
    # and no image is seen by both in one epoch
    for epoch in range(5):
        steps = slice(4 * epoch, 4 * epoch + 4)
        seen = [{path for batch in rank['images'][steps] for path in batch}
                for rank in (first, second)]
        assert len(seen[0]) == len(seen[1]) == 24
        assert not seen[0] & seen[1]


@pytest.mark.slow
@pytest.mark.parametrize('changes', [{}, {
    **PLAIN, 'optim_wrapper.accumulative_counts': 3}],
    ids=['VAE', 'accumulated'])
def test_two_processes_resume_exactly(tmp_path, changes):
    """Also with gradients of each that wait for their update."""
    config = write_config(tmp_path, epochs=4, **{
        **changes, 'default_hooks.checkpoint.max_keep_ckpts': -1})
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


@pytest.mark.slow
def test_stock_augmentations_draw_for_each_rank(tmp_path):
    """Mixup's lambda, the box of CutMix; which of the two is shared."""
    cfg = tiny_config(tmp_path / 'run', epochs=4, **{
        'train_dataloader.batch_size': 3, 'model.train_cfg.augments': [
            dict(type='Mixup', alpha=1.), dict(type='CutMix', alpha=1.)]})
    cfg.custom_hooks = [dict(type='StockDraws')]
    cfg.dump(tmp_path / 'config.py')
    launch(tmp_path / 'config.py', tmp_path / 'run')
    whole = ranks(tmp_path / 'run')
    names, labels = zip(*(zip(*drawn) for drawn in whole))
    assert names[0] == names[1] and set(names[0]) == {'Mixup', 'CutMix'}
    mixed = [(a, b) for a, b in zip(*labels) if a < 1 and b < 1]
    assert len(mixed) > 4 and all(a != b for a, b in mixed)
    launch(tmp_path / 'config.py', tmp_path / 'rest', '--resume',
           str(tmp_path / 'run' / 'epoch_2.pth'))
    assert ranks(tmp_path / 'rest') == [drawn[8:] for drawn in whole]


SRUN = """#!/usr/bin/env bash
printf '%s\\n' "$@" > "$SRUN_LOG"
while [[ $1 == --* ]]; do
    [[ $1 == --ntasks=* ]] && tasks=${1#*=}
    shift
done
export SLURM_NTASKS=$tasks SLURM_NODELIST='node[1-2]'
for ((n = 0; n < tasks; n++)); do
    SLURM_PROCID=$n SLURM_LOCALID=$n "$@" &
    started+=($!)
done
for process in "${started[@]}"; do wait "$process" || exit 1; done
"""


@pytest.fixture
def cluster(tmp_path):
    """Programs of SLURM, for one machine."""
    folder = tmp_path / 'slurm'
    folder.mkdir()
    (folder / 'srun').write_text(SRUN)
    (folder / 'scontrol').write_text(
        '#!/bin/sh\ntest "$*" = "show hostname node[1-2]" &&'
        'echo localhost && echo elsewhere\n')
    for program in folder.iterdir():
        program.chmod(0o755)
    return dict(folder=folder, SRUN_LOG=str(tmp_path / 'srun.txt'),
                MASTER_PORT=str(free_port()), GPUS='2')


@pytest.mark.slow
def test_slurm_trains_and_tests(tmp_path, cluster):
    config = write_config(tmp_path, epochs=1, **PLAIN, test_dataloader=dict(
        batch_size=5, num_workers=0, dataset=dict(
            type='CustomDataset', data_root=str(tmp_path / 'images'),
            pipeline=[dict(type='LoadImageFromFile'),
                      dict(type='PackInputs')]),
        sampler=dict(type='DefaultSampler', shuffle=False)),
        test_cfg=dict(), test_evaluator=dict(type='Accuracy'))
    run('bash', 'tools/slurm_train.sh', 'gpus', 'name', config,
        tmp_path / 'run', **cluster, SRUN_ARGS='--exclusive --mem=1')
    log = next(tmp_path.glob('run/*/*.log')).read_text()
    assert 'Distributed launcher: slurm' in log
    first, second = ranks(tmp_path / 'run')
    assert len(first['digests']) == 4
    assert first['digests'] == second['digests']
    assert first['images'] != second['images']
    asked = (tmp_path / 'srun.txt').read_text().split('\n')
    assert set(asked) > {'--partition=gpus', '--job-name=name', '--ntasks=2',
                         '--gres=gpu:2', '--exclusive', '--mem=1'}

    metrics = tmp_path / 'metrics.json'
    checkpoint = tmp_path / 'run' / 'epoch_1.pth'
    options = ['--out', metrics, '--out-item', 'metrics']
    run('bash', 'tools/slurm_test.sh', 'gpus', 'name', config, checkpoint,
        '--work-dir', tmp_path / 'test', *options, **cluster)
    shared = json.loads(metrics.read_text())
    run(sys.executable, 'tools/test.py', config, checkpoint, '--work-dir',
        tmp_path / 'alone', *options)
    assert json.loads(metrics.read_text()) == shared


@pytest.mark.slow
def test_synchronized_statistics_are_those_of_a_larger_batch(tmp_path):
    """Two processes of 6 images: one of 12, if no augmentation draws."""
    alone = {'train_dataloader.batch_size': 12, 'sync_bn': 'torch',
             'train_dataloader.dataset.pipeline': [
                 dict(type='LoadImageFromFile'), dict(type='PackInputs')],
             'model.neck.embed': dict(
                 _delete_=True, type='ConvEmbedding', in_channels=32,
                 out_channels=6),
             'model.train_cfg': dict(_delete_=True, augments=[
                 dict(type='AlignMix', modes='clean')])}
    several = {**alone, 'train_dataloader.batch_size': 6}

    def train(name, script, changes):
        folder = tmp_path / name
        config = write_config(folder, epochs=3, **changes)
        run(*script, config, *([2] if script[0] == 'bash' else []),
            '--work-dir', folder / 'run')
        return torch.load(folder / 'run' / 'epoch_3.pth',
                          weights_only=False)['state_dict']

    expected = train('one', [sys.executable, 'tools/train.py'], alone)
    state = train('two', ['bash', 'tools/dist_train.sh'], several)
    apart = train('apart', ['bash', 'tools/dist_train.sh'],
                  {**several, 'sync_bn': None})
    differ = 0
    for key, value in expected.items():
        # twelve steps; sums in another order
        torch.testing.assert_close(state[key], value, rtol=1e-3, atol=1e-4)
        differ += not torch.allclose(apart[key].double(), value.double(),
                                     rtol=1e-2, atol=1e-3)
    assert differ > 20  # not so without


@pytest.mark.slow
@pytest.mark.parametrize('changes', [PLAIN, {}], ids=['AlignMix', 'VAE'])
def test_statistics_are_synchronized_in_all_modes(tmp_path, changes):
    """Ranks that called BatchNorm in another order would hang or differ."""
    config = write_config(tmp_path, epochs=5, sync_bn='torch', **changes)
    launch(config, tmp_path / 'run')
    first, second = ranks(tmp_path / 'run')
    assert len({plan['mode'] for plan in first['plans']}) >= 4
    assert first['buffers'] == second['buffers']
    assert first['digests'] == second['digests']
