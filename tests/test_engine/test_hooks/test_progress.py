"""The bar, on what looks like a terminal."""
import io
import logging
import re
import sys
import time

import pytest
from mmengine.runner import Runner
from rich.console import Console
from small_run import small_config, write_images

from alignmix_mm.engine.hooks import progress

CONTROL = re.compile(r'\x1b\[[0-9;?]*[a-zA-Z]')


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp('images'))


def make_runner(images, folder, **changes):
    cfg = small_config(images, folder, epochs=2, **changes)
    load = dict(type='LoadImageFromFile'), dict(type='PackInputs')
    loader = dict(
        batch_size=5, num_workers=0, dataset=dict(
            type='CustomDataset', data_root=str(images), pipeline=load),
        sampler=dict(type='DefaultSampler', shuffle=False))
    cfg.merge_from_dict(dict(
        val_dataloader=loader, val_cfg=dict(),
        val_evaluator=dict(type='Accuracy'), test_dataloader=loader,
        test_cfg=dict(), test_evaluator=dict(type='Accuracy'),
        train_cfg=dict(val_interval=1),
        custom_hooks=[dict(type='ProgressHook')],
        experiment_name=f'run_{time.time_ns()}'))
    return Runner.from_cfg(cfg)


@pytest.fixture
def screen(monkeypatch):
    """A terminal; what was printed before the test stays away."""
    screen = io.StringIO()
    monkeypatch.setattr(progress, 'Console', lambda: Console(
        file=screen, force_terminal=True, width=300))
    return screen


def lines_of(screen):
    return CONTROL.sub('', screen.getvalue()).replace('\r', '\n').split('\n')


def streams(runner):
    return [handler.stream for handler in runner.logger.handlers
            if type(handler) is logging.StreamHandler]


def test_the_bar_moves_below_whole_lines(images, tmp_path, screen):
    runner = make_runner(images, tmp_path)
    before, stdout = streams(runner), sys.stdout
    runner.train()
    lines = lines_of(screen)
    assert any(re.match(r'epoch 2 .* 8/8 ', line) for line in lines)
    assert any(re.match(r'validation .* 5/5 ', line) for line in lines)
    logged = [line for line in lines if 'Epoch(train)' in line]
    assert len(logged) == 8
    for line in logged:  # not within a bar
        assert re.match(r'\d\d/\d\d .*INFO.*loss: ', line)
    assert streams(runner) == before and sys.stdout is stdout


def test_tests_have_a_bar_too(images, tmp_path, screen):
    runner = make_runner(images, tmp_path)
    before = streams(runner)
    runner.test()
    assert any(re.match(r'test .* 5/5 ', line) for line in lines_of(screen))
    assert not any('epoch' in line for line in lines_of(screen))
    assert streams(runner) == before


def test_files_have_none(images, tmp_path, monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(progress, 'Console',
                        lambda: Console(file=screen, force_terminal=False))
    runner = make_runner(images, tmp_path)
    runner.train()
    assert screen.getvalue() == ''
