"""Learning rates between knots."""
import pytest
import torch
from built_configs import read
from mmengine.registry import init_default_scope
from mmpretrain.registry import HOOKS, PARAM_SCHEDULERS

from alignmix_mm import PiecewiseLinearLR

KNOTS = [(0, .5), (2, 1.), (4, .25), (4, .75), (8, .25)]


def optimizer(rates=(1., )):
    return torch.optim.SGD([
        dict(params=[torch.nn.Parameter(torch.zeros(1))], lr=rate)
        for rate in rates])


def rates_of(scheduler, steps):
    found = []
    for _ in range(steps):
        found.append([group['lr'] for group in
                      scheduler.optimizer.param_groups])
        scheduler.optimizer.step()
        scheduler.step()
    return found


def test_rates_are_linear_between_knots_and_jump():
    scheduler = PiecewiseLinearLR(optimizer((1., .1)), KNOTS)
    first, second = zip(*rates_of(scheduler, 11))
    assert first == pytest.approx(
        [.5, .75, 1, .625, .75, .625, .5, .375, .25, .25, .25])
    assert second == pytest.approx([.1 * rate for rate in first])


def test_epochs_become_iterations():
    scheduler = PARAM_SCHEDULERS.get('PiecewiseLinearLR'
                                     ).build_iter_from_epoch(
        optimizer=optimizer(), knots=KNOTS, epoch_length=4)
    rates = [rate for rate, in rates_of(scheduler, 34)]
    assert rates[::4] == pytest.approx(
        [.5, .75, 1, .625, .75, .625, .5, .375, .25])
    assert rates[1] == pytest.approx(.5625) and not scheduler.by_epoch
    # just before the jump it is still on the first line
    assert rates[15] == pytest.approx(.25 + .75 / 8)


def test_it_can_begin_later_and_be_resumed():
    scheduler = PiecewiseLinearLR(optimizer(), KNOTS, begin=3, end=6)
    assert [rate for rate, in rates_of(scheduler, 9)] == pytest.approx(
        [1, 1, 1, .5, .75, 1, 1, 1, 1])
    first = PiecewiseLinearLR(optimizer(), KNOTS)
    rates_of(first, 5)
    again = PiecewiseLinearLR(optimizer(), KNOTS)
    again.optimizer.load_state_dict(first.optimizer.state_dict())
    again.load_state_dict(first.state_dict())
    assert rates_of(again, 4) == rates_of(first, 4)


@pytest.mark.parametrize('knots', [[], [(3, 1.), (1, 1.)]])
def test_bad_knots_are_named(knots):
    with pytest.raises(ValueError, match='do not decrease'):
        PiecewiseLinearLR(optimizer(), knots)
    with pytest.raises(ValueError, match='length of an epoch'):
        PiecewiseLinearLR.build_iter_from_epoch(optimizer(), knots=KNOTS)


@pytest.mark.parametrize('name', ['baselines/baseline_r50_imagenet_100e',
                                  'alignmix_r50_imagenet_100e'])
def test_the_100_epochs_are_those_of_kim(name):
    cfg = read(name)
    init_default_scope(cfg.default_scope)
    options = dict(cfg.param_scheduler)
    options.pop('convert_to_iter_based')
    scheduler = PARAM_SCHEDULERS.build(
        dict(optimizer=optimizer((cfg.optim_wrapper.optimizer.lr, )),
             **options))
    rates = [rate for rate, in rates_of(scheduler, 101)]
    scale = 448 / 1024  # of the first phase, whose batches were 1024
    for epoch, rate in ((0, .5 * scale), (4, .75 * scale), (8, scale),
                        (15, .2), (40, .02), (65, .002), (90, .0002),
                        (100, .00002)):
        assert rates[epoch] == pytest.approx(rate), epoch
    assert cfg.auto_scale_lr.base_batch_size == (
        4 * cfg.train_dataloader.batch_size) == 448
    assert cfg.optim_wrapper.paramwise_cfg.norm_decay_mult == 0
    hook = HOOKS.build(cfg.custom_hooks[0])
    (epoch, recipe), = hook.schedule.items()
    assert epoch == 16  # the first of 224 pixels
    sizes = [cfg.train_dataloader.dataset.pipeline[1].scale,
             recipe['train_pipeline'].transforms[1].scale]
    assert sizes == [128, (224, 224)]
