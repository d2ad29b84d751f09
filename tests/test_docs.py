"""What the docs say can be found, and what they tell to type can be typed."""
import ast
import contextlib
import io
import os
import re
import runpy
import shlex
import subprocess
import sys
from functools import cache, partial
from pathlib import Path
from unittest import mock

import pytest
import torch
from commands import alignmix
from conftest import ROOT
from mmengine.config import Config
from mmengine.runner import Runner
from small_run import small_config, write_images

from alignmix_mm.cli.main import COMMANDS
from alignmix_mm.ops import align_and_mix

PAGES = [ROOT / 'README.md', *sorted(ROOT.glob('docs/**/*.md'))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def commands(page):
    """Lines of shell blocks, without comments; continued lines joined."""
    for block in re.findall(r'```shell\n(.*?)```', page.read_text(), re.S):
        for line in block.replace('\\\n', ' ').split('\n'):
            words = shlex.split(line, comments=True)
            while words and re.match(r'\w+=', words[0]):
                words = words[1:]
            if words:
                yield words


@cache
def help_of(script):
    """In this process: our scripts parse before they do anything."""
    output = io.StringIO()
    arguments = [script, '--help']
    with (mock.patch.object(sys, 'argv', arguments),
          mock.patch.object(sys, 'path', [str(ROOT / Path(script).parent),
                                          *sys.path]),
          contextlib.redirect_stdout(output), contextlib.suppress(SystemExit)):
        runpy.run_path(str(ROOT / script), run_name='__main__')
    return output.getvalue()


@cache
def help_of_command(name):
    return alignmix(*name.split(), '--help')


@pytest.mark.parametrize('page', PAGES, ids=NAMES)
def test_commands_and_their_options_exist(page):
    """In shell blocks, and wherever a command is named in the text."""
    named = re.findall(r'`alignmix ([a-z-]+(?: [a-z]+)?)', page.read_text())
    assert all(any(name == command or name.split()[0] == command
                   for command in [*COMMANDS, 'visualize'])
               for name in named), named
    for words in commands(page):
        if words[0] != 'alignmix' or words[1] == '--help':
            continue
        name, = {name for name in (' '.join(words[1:3]), words[1])
                 if name in COMMANDS}
        for word in words[2:]:
            if word.startswith('--'):
                assert word in help_of_command(name), (words, word)


@pytest.mark.parametrize('page', PAGES, ids=NAMES)
def test_scripts_and_options_exist(page):
    for words in commands(page):
        if words[0] not in ('python', 'bash') or words[1].startswith('-'):
            continue
        script = ROOT / words[1]
        assert script.is_file(), words
        if words[0] == 'bash':
            continue
        for word in words[2:]:
            if word.startswith('--'):
                assert word in help_of(words[1]), (words, word)
            if re.fullmatch(r'configs/.*\.py', word):
                assert (ROOT / word).is_file(), word


@pytest.mark.parametrize('page', PAGES, ids=NAMES)
def test_links_lead_somewhere(page):
    for name in re.findall(r'\]\(([\w/.-]+)(?:#[\w-]+)?\)', page.read_text()):
        assert (page.parent / name).exists(), name


@pytest.mark.parametrize('page', PAGES, ids=NAMES)
def test_python_blocks_are_python(page):
    for block in re.findall(r'```python\n(.*?)```', page.read_text(), re.S):
        compile(block, str(page), 'exec')


@pytest.mark.parametrize('page', PAGES, ids=NAMES)
def test_no_words_that_need_a_second_reading(page):
    text = re.sub(r'```.*?```|`[^`]*`', '', page.read_text(), flags=re.S)
    foreign = re.findall(
        r'\bbehind\b|\bis none\b|\bto be had\b|\bof whom\b|\bthat which\b|'
        r'\bsuch that\b|\bgoes on\b', text)
    assert not foreign


def strings_of(path):
    """Its strings, with NUL for what f-strings fill in."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        if isinstance(node, ast.JoinedStr):
            yield ''.join(getattr(part, 'value', '\0') if isinstance(
                part, ast.Constant) else '\0' for part in node.values)


def test_messages_are_those_of_the_code():
    text = (ROOT / 'docs' / 'troubleshooting.md').read_text()
    messages = re.findall(r'^\*\*`+(.+?)`+\*\*', text, re.M)
    foreign = {  # MMEngine's and torch's
        '... is not in the mmpretrain::model registry',
        "No module named 'pkg_resources'", 'Weights only load failed',
        'Expected to have finished reduction in the prior iteration',
        'plan_error'}
    ours = [message for message in messages if message not in foreign]
    assert len(messages) - len(ours) >= 3 and len(ours) >= 14
    code = '\n'.join(string for folder in ('alignmix_mm', 'tools')
                     for path in (ROOT / folder).rglob('*.py')
                     for string in strings_of(path))
    for message in ours:
        for part in filter(None, message.split('...')):
            assert part.strip() in code, message


@pytest.mark.slow
def test_getting_started_as_it_is_written(tmp_path):
    """All but what needs data or installs."""
    for name in ('tools', 'configs'):
        (tmp_path / name).symlink_to(ROOT / name)
    page = ROOT / 'docs' / 'getting_started.md'
    done = 0
    for words in commands(page):
        line = ' '.join(words)
        if words[0] != 'python' or 'cifar10' in line or 'CONFIG' in line:
            continue
        result = subprocess.run(
            [sys.executable, *words[1:]], cwd=tmp_path, capture_output=True,
            text=True, env={**os.environ, 'OMP_NUM_THREADS': '2'})
        assert result.returncode == 0, (words, result.stderr[-2000:])
        done += 1
    assert done == 4
    assert list(Path(tmp_path).glob('work_dirs/alignment/matches_*.png'))


def python_blocks(page):
    return re.findall(r'```python\n(.*?)```', (
        ROOT / 'docs' / page).read_text(), re.S)


def test_the_config_lines_of_the_docs_load(tmp_path):
    block, _ = python_blocks('watching.md')
    path = tmp_path / 'config.py'
    path.write_text(block)
    hook, = Config.fromfile(path).custom_hooks
    from alignmix_mm import MixSchedule
    assert MixSchedule(off_last=hook.off_last, alphas=hook.alphas)


def test_promises_name_tests_that_are_there(root):
    """docs/long_runs.md: each promise has one."""
    text = (root / 'docs' / 'long_runs.md').read_text()
    rows = text.split('## Promises and their tests')[1].splitlines()
    rows = [row for row in rows if row.startswith('| ')][1:]
    files = {path.name: path for path in (root / 'tests').rglob('test_*.py')}
    assert len(rows) > 8
    for row in rows:
        names = re.findall(r'(test_\w+\.py)(?:::(test_\w+))?', row)
        assert names, row
        for file, function in names:
            assert f'def {function}(' in files[file].read_text() or (
                not function), row


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp('images'))


def with_the_hooks(images, folder, **changes):
    """A config of MMPretrain with the lines of docs/watching.md."""
    cfg = small_config(images, folder, epochs=2, experiment_name=folder.name,
                       **changes)
    _, block = python_blocks('watching.md')
    cfg.merge_from_dict(dict(Config.fromstring(block, '.py')))
    return cfg


def test_the_runner_of_mmengine_resumes_bit_for_bit(images, tmp_path):
    whole = Runner.from_cfg(with_the_hooks(images, tmp_path / 'whole'))
    whole.train()
    rest = Runner.from_cfg(with_the_hooks(
        images, tmp_path / 'rest', resume=True,
        load_from=str(tmp_path / 'whole' / 'epoch_1.pth')))
    torch.rand(3)  # a process that is new has drawn otherwise
    rest.train()
    assert rest.iter == whole.iter > 0
    states = [runner.model.state_dict() for runner in (whole, rest)]
    assert all(torch.equal(value, states[1][key])
               for key, value in states[0].items())
    scalars = whole.message_hub.log_scalars
    assert sum(key.startswith('train/loss_') for key in scalars) > 2


def test_the_runner_of_mmengine_stops_at_nan(images, tmp_path):
    cfg = with_the_hooks(images, tmp_path / 'nan')
    data = cfg.train_dataloader.dataset
    data.pipeline = [data.pipeline[0], dict(type='Poison', index=5),
                     data.pipeline[-1]]
    with pytest.raises(FloatingPointError):
        Runner.from_cfg(cfg).train()


@pytest.mark.parametrize('mode', ['input', 'embed', 'feat'])
def test_plain_pytorch_mixes_in_every_mode(mode):
    """What the page says, as it is written, on a network of timm."""
    pytest.importorskip('timm')
    loop, _ = python_blocks('plain_pytorch.md')
    names = {}
    with mock.patch('random.choice', return_value=mode) as drawn:
        exec(loop, names)
    assert sorted(drawn.call_args.args[0]) == [
        'embed', 'feat', 'feat', 'input']  # one of them is feat_swap
    assert all(p.grad is not None for p in names['network'].parameters())
    assert names['loss'].isfinite()


def test_plain_pytorch_is_the_network_and_compiles():
    pytest.importorskip('timm')
    loop, compiled = python_blocks('plain_pytorch.md')
    names = {}
    exec(loop, names)
    network, below, above = (names[k] for k in ('network', 'below', 'above'))
    images, labels = names['loader'][0]
    network.eval()
    with torch.no_grad():
        torch.testing.assert_close(network(images), above(below(images)))
    with mock.patch.object(torch, 'compile', partial(
            torch.compile, backend='eager')):
        exec(compiled, names)
    lam = torch.rand(len(images))
    partner = torch.arange(len(images)).roll(3)
    expected = above(align_and_mix(
        below(images), below(images)[partner], lam))
    torch.testing.assert_close(
        names['forward'](images, partner, lam), expected)
