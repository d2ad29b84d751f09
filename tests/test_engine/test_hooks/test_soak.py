"""Two thousand steps: nothing grows, nothing drifts."""
import os
import statistics
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from mmengine.hooks import Hook
from mmengine.runner import Runner
from small_run import small_config, write_images

from alignmix_mm.cli.common import make_safe
from alignmix_mm.mixing import MODES

STEPS, WARM_UP = 2000, 400


class Gauge(Hook):
    """Memory, open files, seconds and the mode of every step."""

    def __init__(self):
        self.memory, self.files, self.seconds, self.modes = [], [], [], []

    def before_train(self, runner):
        augment = runner.model.data_preprocessor.batch_augments.augments[0]
        draw = augment.draw

        def listen(*args):
            plan = draw(*args)
            self.modes.append(plan.tag)
            return plan

        augment.draw = listen

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self._start = time.perf_counter()

    def after_train_iter(self, runner, batch_idx, data_batch=None,
                         outputs=None):
        self.seconds.append(time.perf_counter() - self._start)
        pages = int(Path('/proc/self/statm').read_text().split()[1])
        self.memory.append(pages * os.sysconf('SC_PAGE_SIZE'))
        self.files.append(len(os.listdir('/proc/self/fd')))


@pytest.mark.slow
@pytest.mark.skipif(not Path('/proc/self/statm').exists(),
                    reason='reads what Linux says of a process')
def test_two_thousand_steps(tmp_path, capsys):
    images = write_images(tmp_path / 'images')
    cfg = small_config(images, tmp_path / 'run', epochs=STEPS // 4, **{
        'model.train_cfg.augments': [dict(type='AlignMix', modes=MODES)],
        'model.train_cfg.probs': [1.], 'param_scheduler': [],
        'default_hooks.logger.interval': 100,
        'default_hooks.checkpoint.interval': 50})
    make_safe(cfg)
    cfg.log_level = 'WARNING'
    gauge = Gauge()
    runner = Runner.from_cfg(cfg)
    runner.register_hook(gauge)
    runner.train()
    assert len(gauge.memory) == STEPS
    steps = np.arange(WARM_UP, STEPS)
    slope = np.polyfit(steps, gauge.memory[WARM_UP:], 1)[0]
    first, last = (statistics.median(gauge.seconds[part]) for part in (
        slice(WARM_UP, WARM_UP + 400), slice(-400, None)))
    with capsys.disabled():
        print(f'\nmemory {slope:.0f} bytes a step, files '
              f'{gauge.files[WARM_UP]} to {gauge.files[-1]}, seconds a step '
              f'{first:.4f} to {last:.4f}')
    # MMEngine's history of each logged value grows by 16 bytes a step, and
    # allocators are not exact: less than 10 MB over the run
    assert slope < 5000
    assert gauge.files[-1] <= gauge.files[WARM_UP]
    assert last < 1.5 * first
    counts = Counter(gauge.modes)
    assert set(counts) == set(MODES) and sum(counts.values()) == STEPS
    sigma = (STEPS * .2 * .8)**.5
    for mode, count in counts.items():
        assert abs(count - STEPS / len(MODES)) < 4 * sigma, mode
