"""A run that is interrupted goes on with all that it knew."""
import shutil
from collections import Counter, deque

import numpy as np
import pytest
import torch
from commands import alignmix
from mmengine.hooks import Hook
from mmpretrain.registry import HOOKS
from tiny_run import (
    by_iterations,
    differing,
    make_runner,
    outcome,
    tiny_config,
    train,
)


def slow(*values):
    """Further instances of what the quick tests show."""
    return pytest.param(*values, marks=pytest.mark.slow)


class Killed(BaseException):
    """Nothing that follows runs."""


@HOOKS.register_module()
class Kill(Hook):
    """End the run at the so-manieth call of a method of hooks."""

    priority = 'HIGHEST'

    def __init__(self, method, times):
        self.left = times
        setattr(self, method, self._count)

    def _count(self, *args, **kwargs):
        self.left -= 1
        if not self.left:
            raise Killed


def killed(cfg, method, times, on_nan='stop'):
    """Train until then."""
    cfg = cfg.copy()
    cfg.custom_hooks = [*cfg.get('custom_hooks', []),
                        dict(type='Kill', method=method, times=times)]
    with pytest.raises(Killed):
        train(cfg, on_nan=on_nan)


def compare(tmp_path, change=lambda cfg: None, method='before_val_iter',
            times=1, on_nan='stop', **changes):
    """A run in one go, and one that is killed and resumed."""
    runners = []
    for name in ('whole', 'killed'):
        cfg = tiny_config(tmp_path / name, **changes)
        change(cfg)
        if name == 'killed':
            killed(cfg, method, times, on_nan)
        runners.append(train(cfg, 'auto' if name == 'killed' else None,
                             on_nan))
    whole, resumed = runners
    assert not differing(outcome(whole), outcome(resumed))
    assert (whole.epoch, whole.iter) == (resumed.epoch, resumed.iter)
    assert files(tmp_path / 'whole') == files(tmp_path / 'killed')
    return whole, resumed


def files(folder):
    return sorted(path.name for path in folder.iterdir()
                  if path.suffix in ('.pth', '.part'))


@HOOKS.register_module()
class Spoil(Hook):
    """Make the gradient, or the images, of some steps not finite."""

    def __init__(self, steps, what='gradient'):
        self.steps, self.what = steps, what

    def before_train(self, runner):
        weight = runner.model.head.fc.weight
        if self.what == 'gradient':
            weight.register_hook(lambda grad: torch.full_like(
                grad, torch.inf) if runner.iter + 1 in self.steps else grad)

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if self.what == 'images' and runner.iter + 1 in self.steps:
            data_batch['inputs'] = data_batch['inputs'] / 0.


@pytest.mark.parametrize('on_nan, spoiled', [
    ('stop', []), ('skip', [2, 7]), slow('skip', [5])], ids=str)
def test_gradients_that_wait_for_their_update(tmp_path, on_nan, spoiled):
    """Sums of three, four batches an epoch."""
    def change(cfg):
        cfg.custom_hooks = [dict(type='Spoil', steps=spoiled)]

    compare(tmp_path, change, 'before_train_iter', 6, on_nan, epochs=3,
            **{'optim_wrapper.accumulative_counts': 3})


@pytest.mark.slow
def test_gradients_are_not_mixed_up_between_processes(tmp_path, monkeypatch,
                                                      capsys):
    cfg = tiny_config(tmp_path, epochs=1, **{
        'optim_wrapper.accumulative_counts': 3, 'train_cfg.max_epochs': 2})
    killed(cfg, 'before_val_iter', 1)
    file = tmp_path / 'epoch_1.pth'
    checkpoint = torch.load(file, weights_only=False)
    gradients = checkpoint['run_state']['gradients']
    assert gradients['count'] == 4 and len(gradients['gradients']) == 1
    gradients['gradients'] *= 2
    torch.save(checkpoint, file)
    train(cfg, file)
    assert 'gradients of 2 processes' in capsys.readouterr().out


EARLY = dict(type='EarlyStoppingHook', monitor='accuracy/top1', patience=2,
             rule='greater', min_delta=100.)


@pytest.mark.parametrize('method, times', [
    slow('before_train_iter', 10), ('before_val_iter', 9)])
def test_early_stopping(tmp_path, method, times):
    """Two epochs without progress: it ends after the third."""
    def change(cfg):
        cfg.custom_hooks = [EARLY]

    whole, resumed = compare(tmp_path, change, method, times, epochs=6)
    assert whole.epoch == 3
    again = train(tiny_config(tmp_path / 'killed', epochs=6), 'auto')
    assert again.epoch == 3  # it is over


@pytest.mark.slow
def test_schedulers_that_look_at_metrics(tmp_path):
    def change(cfg):
        cfg.param_scheduler = [dict(
            type='ReduceOnPlateauLR', monitor='accuracy/top1', patience=1,
            rule='greater', threshold=100., factor=.5)]

    whole, _ = compare(tmp_path, change, 'before_train_iter', 10, epochs=5)
    assert whole.optim_wrapper.get_lr()['lr'][0] < .05


@HOOKS.register_module()
class Remembers(Hook):
    """Trains by what it remembers, in several kinds of containers."""

    def __init__(self, patience=2):
        self.patience = patience
        self.count, self.seen = 0, deque(maxlen=3)
        self.kinds, self.names = Counter(), set()
        self.mean = torch.zeros(3)
        self.curve = {'pair': (0, None)}

    def before_train(self, runner):
        self.last = {}

    def after_train_iter(self, runner, batch_idx, data_batch=None,
                         outputs=None):
        self.count += 1
        self.seen.append(self.count)
        self.kinds[self.count % 2] += 1
        self.names.add(f'{self.count % 3}')
        self.mean = .5 * self.mean + self.count
        self.last[runner.epoch] = np.float64(self.count)
        self.curve['pair'] = (self.count, 'x')
        with torch.no_grad():
            runner.model.head.fc.bias.add_(1e-3 * sum(self.seen) * self.mean)


@HOOKS.register_module()
class RemembersByItself(Remembers):

    def __init__(self):
        super().__init__()
        self.secret = object()

    def state_dict(self):
        return dict(count=self.count, seen=list(self.seen), mean=self.mean,
                    curve=self.curve, kinds=dict(self.kinds))

    def load_state_dict(self, state):
        self.count, self.mean = state['count'], state['mean']
        self.seen.extend(state['seen'])
        self.curve, self.kinds = state['curve'], Counter(state['kinds'])


@pytest.mark.parametrize('name', ['Remembers', slow('RemembersByItself')])
def test_what_hooks_remember(tmp_path, name):
    def change(cfg):
        cfg.custom_hooks = [dict(type=name), dict(type=name)]

    whole, resumed = compare(tmp_path, change, 'before_train_iter', 6)
    pairs = [[hook for hook in runner.hooks if type(hook).__name__ == name]
             for runner in (whole, resumed)]
    for one, other in zip(*pairs):
        assert one.count == other.count == 8
        assert one.seen == other.seen and other.seen.maxlen == 3
        assert one.kinds == other.kinds and type(other.kinds) is Counter
        assert one.curve == other.curve
        if name == 'Remembers':
            assert one.names == other.names and one.last == other.last


@pytest.mark.slow
def test_what_the_config_says_is_not_remembered(tmp_path):
    cfg = tiny_config(tmp_path)
    cfg.custom_hooks = [dict(type='Remembers', patience=2)]
    killed(cfg, 'before_train_iter', 6)
    cfg.custom_hooks[0].patience = 7
    hook, = [hook for hook in train(cfg, 'auto').hooks
             if type(hook) is Remembers]
    assert hook.patience == 7 and hook.count == 8


class Tracker:
    def __init__(self):
        self.count = 0


@HOOKS.register_module()
class RemembersElsewhere(Hook):
    """In an object, in a generator, in a closure."""

    def __init__(self, how):
        self.how, self.constant = how, Tracker()
        if how == 'object':
            self.memory = Tracker()
        if how == 'generator':
            self.memory = np.random.default_rng(0)

    def after_train_iter(self, runner, batch_idx, data_batch=None,
                         outputs=None):
        if self.how == 'object':
            self.memory.count += 1
        if self.how == 'replaced':
            self.memory = Tracker()


@pytest.mark.parametrize('how', [
    'object', slow('generator'), slow('replaced'), 'none'])
def test_what_cannot_be_kept_is_said(tmp_path, how, capsys):
    cfg = tiny_config(tmp_path)
    cfg.custom_hooks = [dict(type='RemembersElsewhere', how=how)]
    train(cfg)
    text = 'Checkpoints do not store memory of RemembersElsewhere'
    assert capsys.readouterr().out.count(text) == (how != 'none')


@HOOKS.register_module()
class Scores(Hook):
    """Accuracies of the epochs."""

    priority = 'VERY_HIGH'

    def after_val_epoch(self, runner, metrics=None):
        metrics['accuracy/top1'] = [0, 10., 40., 20., 30.][runner.epoch]


@pytest.mark.parametrize('method, times', [
    slow('before_val', 2), ('after_val_iter', 6),
    slow('after_val_epoch', 2), slow('after_val', 2)])
def test_killed_during_a_validation(tmp_path, method, times):
    """The best epoch is the second, whose validation is made up for."""
    def change(cfg):
        cfg.custom_hooks = [dict(type='Scores')]
        cfg.default_hooks.checkpoint.save_best = 'accuracy/top1'
        cfg.default_hooks.checkpoint.max_keep_ckpts = 1

    whole, resumed = compare(tmp_path, change, method, times, epochs=3)
    assert files(tmp_path / 'killed') == [
        'best_accuracy_top1_epoch_2.pth', 'epoch_3.pth']
    for runner in (whole, resumed):
        assert runner.message_hub.get_info('best_score') == 40


@pytest.mark.parametrize('interval', [1, slow(2)])
def test_killed_during_the_last_validation(tmp_path, interval):
    """The best epoch is the last: the one before it goes."""
    def change(cfg):
        cfg.custom_hooks = [dict(type='Scores')]
        cfg.default_hooks.checkpoint.update(
            save_best='accuracy/top1', interval=interval)

    _, resumed = compare(tmp_path, change, 'before_val_iter', 6, epochs=2)
    assert files(tmp_path / 'killed')[:1] == ['best_accuracy_top1_epoch_2.pth']
    last = torch.load(tmp_path / 'killed' / 'epoch_2.pth', weights_only=False)
    assert last['message_hub']['runtime_info']['best_score'] == 40


@pytest.mark.slow
def test_by_iterations_too(tmp_path):
    compare(tmp_path, lambda cfg: by_iterations(cfg, every=3),
            'before_val_iter', 5)


def test_a_validation_that_was_seen_is_not_repeated(tmp_path):
    def change(cfg):
        cfg.custom_hooks = [EARLY]

    cfg = tiny_config(tmp_path, epochs=2)
    change(cfg)
    train(cfg)
    runner = make_runner(cfg, 'auto')
    runner.register_hook(kill := Kill('before_val', 1))
    runner.train()
    assert kill.left == 1


@pytest.mark.parametrize('moment', ['last', slow('best')])
def test_killed_while_old_files_are_removed(tmp_path, monkeypatch, moment):
    from mmengine.fileio import LocalBackend
    name = 'epoch_1.pth' if moment == 'last' else 'best_'
    remove, calls = LocalBackend.remove, []

    def die(self, path):
        if 'killed' in str(path) and name in str(path) and not calls:
            calls.append(path)
            raise Killed
        remove(self, path)

    monkeypatch.setattr(LocalBackend, 'remove', die)
    folders = [tmp_path / folder for folder in ('whole', 'killed')]
    for folder in folders:
        cfg = tiny_config(folder, epochs=4, **{
            'default_hooks.checkpoint.max_keep_ckpts': 1,
            'default_hooks.checkpoint.save_best': 'accuracy/top1'})
        cfg.custom_hooks = [dict(type='Scores')]
        try:
            train(cfg)
        except Killed:
            assert 'killed' in str(folder)
            others = folder / 'best_of_mine.pth'
            others.write_bytes(b'')
            train(cfg, 'auto')
            others.unlink()
    assert calls and files(folders[0]) == files(folders[1])


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp('finished')
    cfg = tiny_config(folder, epochs=1, **{
        'default_hooks.checkpoint.save_best': 'accuracy/top1'})
    cfg.dump(folder / 'config.py')
    train(cfg)
    return folder


def keys(**changed):
    def change(checkpoint):
        return {**checkpoint, **changed}
    return change


@pytest.mark.parametrize('make, missing', [
    (lambda c: c['state_dict'], 'no meta, state_dict, message_hub, optimizer'),
    (lambda c: {k: v for k, v in c.items() if k != 'optimizer'},
     'no optimizer:'),
    (lambda c: {k: v for k, v in c.items() if k != 'message_hub'},
     'no message_hub:'),
    (lambda c: {k: v for k, v in c.items() if k != 'param_schedulers'},
     'no param_schedulers:'),
    (keys(meta=dict(epoch=1)), '`meta` lacks `epoch` or `iter`')],
    ids=['weights', 'optimizer', 'hub', 'schedulers', 'meta'])
def test_what_cannot_be_resumed_is_refused(finished, tmp_path, make, missing):
    file = tmp_path / 'file.pth'
    torch.save(make(torch.load(finished / 'epoch_1.pth', weights_only=False)),
               file)
    output = alignmix('train', finished / 'config.py', '--work-dir', tmp_path,
                      '--resume', file, code=1)
    last = output.strip().splitlines()[-1]
    assert 'cannot be resumed from' in last and missing in last
    assert str(file) in last and 'Traceback' not in output


def test_the_best_epoch_cannot_be_resumed(finished, tmp_path):
    file = tmp_path / 'best_accuracy_top1_epoch_1.pth'
    shutil.copy(finished / file.name, file)
    output = alignmix('train', finished / 'config.py', '--work-dir', tmp_path,
                      '--resume', file, code=1)
    assert 'no optimizer, param_schedulers: it holds weights' in output
    assert '--cfg-options load_from=' in output
    # the remedy
    alignmix('train', finished / 'config.py', '--work-dir', tmp_path,
             '--cfg-options', f'load_from={file}')
