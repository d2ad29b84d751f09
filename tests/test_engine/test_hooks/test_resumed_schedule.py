"""More epochs than the schedule of a checkpoint was made for."""
import time

import pytest
from mmengine.runner import Runner
from small_run import small_config, write_images

COSINE = dict(type='CosineAnnealingLR', begin=1, T_max=1)


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp('images'), per_class=4)


def make(images, work_dir, epochs, schedule, resume=None, **changes):
    cfg = small_config(images, work_dir, epochs=epochs, custom_hooks=[
        dict(type='alignmix_mm.ResumedScheduleHook')], **changes)
    cfg.param_scheduler = schedule
    cfg.experiment_name = f'run_{time.time_ns()}'
    if resume:
        cfg.load_from, cfg.resume = str(resume), True
    return Runner.from_cfg(cfg)


WARMUP = dict(type='LinearLR', start_factor=.1, by_epoch=False, end=2)
SCHEDULES = {
    'cosine': ([WARMUP, dict(COSINE, end=2)], True),
    'cosine without end': ([COSINE], True),
    'by step': ([dict(COSINE, end=2, convert_to_iter_based=True)], True),
    'poly': (dict(type='PolyLR', end=2), True),
    'steps': ([WARMUP, dict(type='MultiStepLR', milestones=[1])], False),
    'a step to come': (dict(type='MultiStepLR', milestones=[1, 3]), True),
    'warm-up only': ([WARMUP], False),
    'none': (None, False),
}


QUICK = ('cosine', 'steps')


@pytest.mark.parametrize('name', [pytest.param(name, marks=(
    () if name in QUICK else pytest.mark.slow)) for name in SCHEDULES])
def test_what_would_stay_at_its_last_rate_is_refused(images, tmp_path, name):
    schedule, refused = SCHEDULES[name]
    make(images, tmp_path, 2, schedule).train()
    resumed = make(images, tmp_path, 3, schedule, tmp_path / 'epoch_2.pth')
    if refused:
        with pytest.raises(ValueError, match='at most 2 epochs, .* got 3: '
                           '.*--cfg-options load_from'):
            resumed.train()
    else:
        resumed.train()
        assert resumed.epoch == 3


def test_the_checkpoint_decides_whatever_the_config_says(images, tmp_path):
    """MMEngine resumes the old T_max, not the new one."""
    make(images, tmp_path, 2, [dict(COSINE, end=2)]).train()
    longer = [dict(COSINE, end=4, T_max=3)]
    with pytest.raises(ValueError, match='at most 2 epochs'):
        make(images, tmp_path, 4, longer, tmp_path / 'epoch_2.pth').train()


@pytest.mark.slow
def test_as_many_epochs_or_fewer_go_on(images, tmp_path):
    schedule = [dict(COSINE, end=4, T_max=3)]
    make(images, tmp_path, 4, schedule).train()
    for epochs in (4, 3):
        runner = make(images, tmp_path, epochs, schedule,
                      tmp_path / 'epoch_3.pth')
        runner.train()
        assert runner.epoch == epochs


def test_runs_by_iteration(images, tmp_path):
    loop = {'train_cfg': dict(
        _delete_=True, by_epoch=False, max_iters=3, val_interval=99),
        'train_dataloader.sampler.type': 'InfiniteSampler',
        'default_hooks.checkpoint.by_epoch': False}
    schedule = [dict(type='CosineAnnealingLR', T_max=3, by_epoch=False)]
    make(images, tmp_path, 1, schedule, **loop).train()
    loop['train_cfg']['max_iters'] = 5
    with pytest.raises(ValueError, match='at most 3 iterations, .* got 5'):
        make(images, tmp_path, 1, schedule, tmp_path / 'iter_3.pth',
             **loop).train()
