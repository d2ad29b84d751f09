"""The arrows of the design: who may import whom."""
import ast

import pytest

MM = ('mmengine', 'mmcv', 'mmpretrain')
# room: what its modules may not import, as absolute names
FORBIDDEN = {
    'ops': (*MM, 'alignmix_mm.mixing', 'alignmix_mm.models'),
    'engine': ('alignmix_mm.cli', ),
    'mixing': ('alignmix_mm.models', 'alignmix_mm.engine',
               'alignmix_mm.evaluation'),
    'mixing/functional': (*MM, 'alignmix_mm.models'),
    # pure functions (class activation maps) are for everybody
    'models': ('alignmix_mm.evaluation', 'alignmix_mm.engine',
               'alignmix_mm.datasets'),
    'datasets': ('alignmix_mm.ops', 'alignmix_mm.models',
                 'alignmix_mm.mixing', 'alignmix_mm.evaluation'),
    'visualization': (*MM, 'alignmix_mm.models', 'matplotlib.pyplot'),
    'evaluation': ('alignmix_mm.models', 'alignmix_mm.mixing',
                   'alignmix_mm.datasets'),
    'evaluation/functional': MM,
}


def imported(path, package_root):
    """Absolute names of all modules that a file imports."""
    parts = path.relative_to(package_root.parent).with_suffix('').parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(parts[:-node.level]) if node.level else []
            yield '.'.join(base + ([node.module] if node.module else []))


@pytest.mark.parametrize('room', FORBIDDEN)
def test_rooms_know_only_what_they_may(root, room):
    package = root / 'alignmix_mm'
    wrong = [(path.name, name)
             for path in (package / room).rglob('*.py')
             for name in imported(path, package)
             if name.startswith(FORBIDDEN[room])]
    assert not wrong


def test_relative_imports_are_resolved(root):
    """The check above would pass if it saw nothing."""
    package = root / 'alignmix_mm'
    names = set(imported(package / 'models' / 'mixer.py', package))
    assert {'alignmix_mm.mixing', 'alignmix_mm.ops.options', 'torch'} <= names


@pytest.mark.parametrize('banned', ['.cuda(', '.item(', '.cpu('])
def test_training_path_never_waits_for_the_device(root, banned):
    package = root / 'alignmix_mm'
    hits = [path for room in ('ops', 'mixing', 'models')
            for path in (package / room).rglob('*.py')
            if banned in path.read_text()]
    assert not hits


def test_files_stay_small(root):
    long = {path.name: count for path in (root / 'alignmix_mm').rglob('*.py')
            if (count := len(path.read_text().splitlines())) > 250}
    assert not long
