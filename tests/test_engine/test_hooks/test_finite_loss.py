"""Nothing is trained on NaN, and the step is named."""
import copy
import time

import pytest
import tiny_run
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from small_run import small_config, write_images

from alignmix_mm import FiniteLossHook
from alignmix_mm.cli.common import make_safe
from alignmix_mm.engine.hooks import finite_loss


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp('images'))


class Watch(Hook):
    """Spoil parameters before a step; keep them as they are after each."""

    def __init__(self, step=None, name=None):
        self.step, self.name = step, name
        self.after = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter + 1 == self.step:
            with torch.no_grad():
                runner.model.get_parameter(self.name).view(-1)[0] = torch.nan

    def after_train_iter(self, runner, batch_idx, data_batch=None,
                         outputs=None):
        self.after.append(copy.deepcopy(runner.model.state_dict()))


def make_runner(images, tmp_path, watch=None, on_nan='stop', index=None,
                **changes):
    changes.setdefault('train_cfg.max_epochs', 1)
    cfg = small_config(images, tmp_path, **changes)
    if index is not None:
        pipeline = cfg.train_dataloader.dataset.pipeline
        cfg.train_dataloader.dataset.pipeline = [
            pipeline[0], dict(type='Poison', index=index), pipeline[-1]]
    make_safe(cfg, on_nan=on_nan)
    cfg.experiment_name = f'run_{time.time_ns()}'
    runner = Runner.from_cfg(cfg)
    if watch is not None:
        runner.register_hook(watch)
    return runner


def parameters(state):
    return {k: v for k, v in state.items()
            if 'running' not in k and 'tracked' not in k}


def same(a, b):
    a, b = parameters(a), parameters(b)
    return all(torch.equal(a[k].nan_to_num(9e9), b[k].nan_to_num(9e9))
               for k in a)


def test_parameters_that_are_not_finite_stop_the_run(images, tmp_path):
    name = 'backbone.layer1.0.convs.0.weight'
    watch = Watch(3, name)
    runner = make_runner(images, tmp_path, watch)
    with pytest.raises(FloatingPointError) as error:
        runner.train()
    message = str(error.value)
    assert 'step 3 (epoch 1)' in message and name in message
    assert '--on-nan skip' in message
    after = runner.model.state_dict()
    after[name] = watch.after[-1][name]
    assert len(watch.after) == 2 and same(after, watch.after[-1])
    assert not list(tmp_path.glob('*.pth'))


def test_images_that_are_not_finite_are_counted(images, tmp_path):
    with pytest.raises(FloatingPointError) as error:
        make_runner(images, tmp_path, index=5).train()
    assert 'images that were loaded are not finite' in str(error.value)


def test_divergence_is_called_so(images, tmp_path):
    with pytest.raises(FloatingPointError, match='lower the learning rate|'
                       'Parameters are not finite'):
        make_runner(images, tmp_path, **{
            'optim_wrapper.optimizer.lr': 1e30}).train()


def test_skipping_leaves_batches_out(images, tmp_path, caplog):
    watch = Watch()
    runner = make_runner(images, tmp_path, watch, on_nan='skip', index=5, **{
        'train_cfg.max_epochs': 3})
    runner.logger.addHandler(caplog.handler)
    runner.train()
    assert len(watch.after) == 12
    still = [n + 1 for n in range(1, 12)
             if same(watch.after[n - 1], watch.after[n])]
    text = caplog.text
    # every epoch has one batch with this image; the first step has no
    # predecessor here
    assert text.count('The batch is skipped') == 3
    assert all(f'in step {n} ' in text for n in still) and len(still) >= 2
    last = parameters(watch.after[-1])
    assert all(torch.isfinite(value).all() for value in last.values())


def test_skipping_has_an_end(images, tmp_path):
    runner = make_runner(
        images, tmp_path, Watch(2, 'head.fc.weight'), on_nan='skip', **{
            'train_cfg.max_epochs': 20,
            'default_hooks.checkpoint.interval': 20,
            'model.train_cfg.augments': [dict(type='AlignMix')],
            'model.train_cfg.probs': [1.]})
    with pytest.raises(FloatingPointError, match='last of 20 consec'):
        runner.train()


def test_bad_arguments_are_named():
    for options in (dict(action='ignore'), dict(max_skipped=0)):
        with pytest.raises(ValueError, match="'stop', 'skip'"):
            FiniteLossHook(**options)


class Gradient(Hook):
    """Replace the gradient of a layer in one step; the loss stays finite."""

    def __init__(self, step, value):
        self.step, self.value = step, value

    def before_train(self, runner):
        runner.model.head.fc.weight.register_hook(
            lambda grad: torch.full_like(grad, self.value)
            if runner.iter + 1 == self.step else grad)


def tiny_runner(folder, *hooks, on_nan='stop', **changes):
    runner = tiny_run.make_runner(tiny_run.tiny_config(folder, **changes),
                                  on_nan=on_nan)
    for hook in hooks:
        runner.register_hook(hook)
    return runner


@pytest.mark.parametrize('value, clip', [
    (float('inf'), None), (float('nan'), dict(max_norm=1.))])
def test_a_gradient_that_is_not_finite_never_reaches_parameters(
        tmp_path, value, clip):
    """Step 6, with a checkpoint of epoch 1 that is the only one."""
    watch = Watch()
    runner = tiny_runner(tmp_path, Gradient(6, value), watch, **{
        'default_hooks.checkpoint.max_keep_ckpts': 1,
        'optim_wrapper.clip_grad': clip})
    with pytest.raises(FloatingPointError) as error:
        runner.train()
    message = str(error.value)
    assert 'loss is finite in step 6 (epoch 2), but its gradient' in message
    assert 'head.fc.weight' in message and 'unchanged' in message
    assert same(runner.model.state_dict(), watch.after[-1])
    assert [path.name for path in tmp_path.glob('*.pth')] == ['epoch_1.pth']
    saved = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)
    assert all(torch.isfinite(value).all()
               for value in saved['state_dict'].values())


def test_it_is_skipped_as_if_the_batch_had_not_been(tmp_path):
    watch = Watch()
    tiny_runner(tmp_path, Gradient(3, float('inf')), watch,
                on_nan='skip').train()
    assert len(watch.after) == 8
    still = [n + 1 for n in range(1, 8) if all(
        torch.equal(watch.after[n][key], watch.after[n - 1][key])
        for key in watch.after[n])]  # buffers of BatchNorm are among them
    assert still == [3]


@pytest.mark.parametrize('loss, expected', [
    (1., 'The loss of another rank is not finite in step 6'),
    (0., 'A gradient of another rank is not finite in step 6')])
def test_another_rank_is_named(tmp_path, monkeypatch, caplog, loss, expected):
    """Flags of a bad loss and of any bad value, from another rank."""
    def reduce(found, op):
        assert op == 'max'
        if runner.iter + 1 == 6:
            found += torch.tensor([loss, 1.])

    monkeypatch.setattr(finite_loss, 'all_reduce', reduce)
    runner = tiny_runner(tmp_path, on_nan='skip')
    runner.logger.addHandler(caplog.handler)
    runner.train()
    assert caplog.text.count('The batch is skipped') == 1
    assert expected in caplog.text


def test_without_asking_another_rank_may_be_the_cause(tmp_path, monkeypatch):
    """DDP spoils the gradients of all ranks, and `stop` asks none of them."""
    monkeypatch.setattr(finite_loss, 'get_world_size', lambda: 2)
    runner = tiny_runner(tmp_path, Gradient(6, float('nan')))
    with pytest.raises(FloatingPointError, match='Or the loss of another'):
        runner.train()


class Infinite(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter + 1 == 3:
            data_batch['inputs'] = data_batch['inputs'] / 0.


def test_statistics_of_a_skipped_batch_are_left_out(tmp_path):
    watch = Watch()
    tiny_runner(tmp_path, Infinite(), watch, on_nan='skip').train()
    assert all(torch.isfinite(value).all()
               for value in watch.after[-1].values())
    key = 'backbone.1.running_mean'
    assert torch.equal(watch.after[1][key], watch.after[2][key])
    assert not torch.equal(watch.after[2][key], watch.after[3][key])


def test_a_large_gradient_is_a_finite_one(tmp_path):
    """Though the sum of its squares overflows."""
    runner = tiny_runner(tmp_path, Gradient(6, 1e25), **{
        'optim_wrapper.clip_grad': dict(max_norm=1., norm_type='inf')})
    runner.train()
    assert runner.iter == 8


def test_of_accumulated_gradients_the_update_is_left_out(tmp_path):
    """The fourth batch goes, with the third; five and six are an update."""
    watch = Watch()
    tiny_runner(tmp_path, Gradient(4, float('inf')), watch, on_nan='skip', **{
        'optim_wrapper.accumulative_counts': 2}).train()
    changes = [n + 1 for n in range(1, 8)
               if not same(watch.after[n], watch.after[n - 1])]
    assert changes == [2, 6, 8]


def test_a_gradient_scaler_looks_by_itself(tmp_path):
    class Scaler:
        def is_enabled(self):
            return True

    runner = tiny_runner(tmp_path, Gradient(4, float('inf')), **{
        'train_cfg.max_epochs': 1})
    hook, = [hook for hook in runner.hooks if isinstance(hook, FiniteLossHook)]
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.optim_wrapper.loss_scaler = Scaler()
    with pytest.raises(FloatingPointError, match='No checkpoint was written'):
        runner.train()  # here, nobody does


@pytest.mark.parametrize('name, best', [
    ('head.fc.weight', None), ('backbone.1.running_var', 'accuracy/top1')])
def test_what_is_not_finite_is_never_written(tmp_path, name, best):
    """Spoiled after the last step of the second epoch."""
    class SpoilLate(Hook):
        def after_train_epoch(self, runner):
            if runner.epoch == 1:
                runner.model.state_dict()[name].view(-1)[0] = torch.nan

    runner = tiny_runner(tmp_path, SpoilLate(), **{
        'default_hooks.checkpoint.max_keep_ckpts': 1,
        'default_hooks.checkpoint.save_best': best})
    with pytest.raises(FloatingPointError) as error:
        runner.train()
    assert name in str(error.value) and 'epoch_1.pth' in str(error.value)
    names = sorted(path.name for path in tmp_path.glob('*.pth'))
    assert names == ['best_accuracy_top1_epoch_1.pth',
                     'epoch_1.pth'][best is None:]


def test_buffers_that_never_were_finite_are_written(tmp_path):
    runner = tiny_runner(tmp_path)
    runner.model.register_buffer('mask', torch.tensor([0., -torch.inf]))
    runner.train()
    assert (tmp_path / 'epoch_2.pth').exists()
