"""What MMEngine offers beside: it changes what it should, and no more."""
import time
from contextlib import contextmanager

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from mmengine.runner import Runner
from small_run import small_config, write_images

from alignmix_mm.cli.common import make_safe


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp('images'))


def train(images, folder, hooks=(), **changes):
    cfg = small_config(images, folder, epochs=2, **changes)
    cfg.custom_hooks = list(hooks)
    make_safe(cfg)
    cfg.experiment_name = f'{folder.name}_{time.time_ns()}'
    Runner.from_cfg(cfg).train()
    return torch.load(folder / 'epoch_2.pth', weights_only=False)


@pytest.fixture(scope='module')
def plain(images, tmp_path_factory):
    return train(images, tmp_path_factory.mktemp('plain'))


def assert_same(state, expected, **tolerance):
    assert state.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(state[key], value, msg=lambda m, k=key:
                                   f'{k}: {m}', **tolerance)


def test_the_average_of_weights_leaves_training_alone(images, tmp_path,
                                                      plain):
    averaged = train(images, tmp_path, [dict(type='EMAHook', momentum=.1)])
    source = {key.removeprefix('module.'): value
              for key, value in averaged['ema_state_dict'].items()
              if key != 'steps'}
    # MMEngine swaps the two in a checkpoint
    assert_same(source, plain['state_dict'], rtol=0, atol=0)
    key = 'head.fc.weight'
    assert not torch.equal(averaged['state_dict'][key], source[key])


def test_gradients_are_summed_over_steps(images, tmp_path, plain):
    """Two steps of half a loss: half as many updates."""
    state = train(images, tmp_path, **{
        'optim_wrapper.accumulative_counts': 2,
        'optim_wrapper.optimizer.momentum': 0.,
        'optim_wrapper.optimizer.lr': 0.})
    once = train(images, tmp_path, **{
        'optim_wrapper.optimizer.momentum': 0.,
        'optim_wrapper.optimizer.lr': 0.})
    # without a learning rate, both see the same batches and modes
    assert_same(state['state_dict'], once['state_dict'], rtol=0, atol=0)
    assert (state['message_hub']['runtime_info']['mix_draws']
            == once['message_hub']['runtime_info']['mix_draws'])
    changed = train(images, tmp_path, **{
        'optim_wrapper.accumulative_counts': 2})['state_dict']
    assert not torch.equal(changed['head.fc.weight'],
                           plain['state_dict']['head.fc.weight'])
    assert all(torch.isfinite(value).all() for value in changed.values())


@OPTIM_WRAPPERS.register_module()
class HalfPrecision(OptimWrapper):
    """What MMEngine's AmpOptimWrapper does, which has no CPU."""

    def __init__(self, dtype, **options):
        super().__init__(**options)
        self.dtype = getattr(torch, dtype)

    @contextmanager
    def optim_context(self, model):
        with super().optim_context(model), torch.autocast('cpu', self.dtype):
            yield


@pytest.fixture(scope='module')
def start(images, tmp_path_factory):
    return train(images, tmp_path_factory.mktemp('start'), **{
        'optim_wrapper.optimizer.lr': 0.})


def parameters(checkpoint):
    """All that is learned, in one vector."""
    return torch.cat([
        value.double().flatten()
        for key, value in checkpoint['state_dict'].items()
        if 'running' not in key and 'tracked' not in key])


@pytest.mark.parametrize('dtype', ['bfloat16', 'float16'])
def test_mixed_precision_changes_rounding_alone(images, tmp_path, plain, start,
                                                dtype):
    """Activations of 8 or 11 bits: 4 and 1.5 % of what is learned.

    6 % with float16 of torch 2.8, whose products on a CPU round sums too.
    """
    changed = train(images, tmp_path, **{
        'optim_wrapper.type': 'HalfPrecision', 'optim_wrapper.dtype': dtype})
    learned = parameters(plain) - parameters(start)
    error = parameters(changed) - parameters(plain)
    assert 0 < error.norm() < .1 * learned.norm()
    assert parameters(changed).isfinite().all()


@pytest.mark.slow
def test_the_runners_compile_changes_rounding_alone(images, tmp_path, plain):
    compiled = train(images, tmp_path, compile=dict(backend='aot_eager'))
    # eight steps of float32 in another order of operations
    assert_same(compiled['state_dict'], plain['state_dict'], rtol=1e-3,
                atol=1e-4)
