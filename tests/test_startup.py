"""What is loaded when; benchmarks/startup.py has the times."""
import json
import os
import re
import subprocess
import sys

import pytest
from commands import alignmix
from conftest import ROOT

from alignmix_mm import _registration
from alignmix_mm._on_import import when_imported
from alignmix_mm.cli.main import COMMANDS

MM = ('mmengine', 'mmcv', 'mmpretrain')
HIDE = f'''
import importlib.util as u, sys
find = u.find_spec
u.find_spec = lambda name, *a: None if name in {MM} else find(name, *a)
sys.modules.update(dict.fromkeys({MM}))
'''


def fresh(code, *options):
    """Run code in a fresh process; returns what it prints as JSON."""
    result = subprocess.run(
        [sys.executable, *options, '-c', code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result


def loaded_by(code):
    code += ('\nimport json, sys; print(json.dumps(sorted({name.split(".")[0] '
             'for name, module in sys.modules.items() if module})))')
    result = fresh(code, '-W', 'error')
    assert not result.stderr
    return set(json.loads(result.stdout))


@pytest.mark.process
@pytest.mark.parametrize('hide', ['', HIDE], ids=['stack', 'no stack'])
def test_ops_load_torch_only_and_say_nothing(hide):
    loaded = loaded_by(hide + 'from alignmix_mm.ops import align_and_mix')
    assert 'torch' in loaded
    assert not loaded & {*MM, 'ot', 'scipy', 'cv2', 'matplotlib', 'triton'}


@pytest.mark.process
def test_ops_do_not_load_the_compiler():
    """torch._dynamo alone takes as long as all of torch."""
    result = fresh('import sys, alignmix_mm.ops; '
                   'print("torch._dynamo" in sys.modules)')
    assert result.stdout == 'False\n'


@pytest.mark.process
@pytest.mark.parametrize('code', [
    'import alignmix_mm', 'import alignmix_mm.mixing',
    'import alignmix_mm.cli.main', 'import alignmix_mm.evaluation'])
def test_the_package_loads_nothing(code):
    assert not loaded_by(code) & {*MM, 'torch', 'numpy'}


@pytest.mark.process
def test_metrics_as_functions_load_no_mm_package():
    loaded = loaded_by('import alignmix_mm.evaluation.functional')
    assert 'numpy' in loaded and not loaded & {*MM}


@pytest.mark.process
@pytest.mark.parametrize('name', COMMANDS)
def test_help_comes_before_heavy_imports(name):
    code = ('import contextlib, io\n'
            'with contextlib.redirect_stdout(io.StringIO()), '
            'contextlib.suppress(SystemExit):\n'
            '    from alignmix_mm.cli.main import main\n'
            f'    main([*{name.split()}, "--help"])')
    assert not loaded_by(code) & {*MM, 'torch', 'numpy', 'rich'}


@pytest.mark.process
@pytest.mark.parametrize('tool', sorted(
    path.name for path in (ROOT / 'tools').glob('*.py')
    if path.name not in ('sinkhorn_oracle.py', 'weightless.py')))
def test_scripts_parse_first_too(tool):
    code = ('import contextlib, io, runpy, sys\n'
            f'sys.argv = ["tool", "--help"]\n'
            'with contextlib.redirect_stdout(io.StringIO()), '
            'contextlib.suppress(SystemExit):\n'
            f'    runpy.run_path("{ROOT}/tools/{tool}", run_name="__main__")')
    assert not loaded_by(code) & {*MM, 'torch', 'numpy'}


ORDERS = {
    'ours first': 'import alignmix_mm, mmpretrain',
    'MMPretrain first': 'import mmpretrain, alignmix_mm',
    'after a look-up': 'from mmpretrain.registry import MODELS\n'
                       'MODELS.get("ResNet")\nimport alignmix_mm',
    'only by a full name': 'from mmpretrain.registry import MODELS\n'
                           'MODELS.get("alignmix_mm.AlignMixNeck")',
    'by custom_imports': 'from mmengine.config import Config\n'
    'Config(dict(custom_imports=dict(imports=["alignmix_mm"])))\n'
    'from mmengine.utils import import_modules_from_strings\n'
    'import_modules_from_strings(["alignmix_mm"])',
    'while MMEngine is being imported': 'import sys, types\n'
    'import importlib.machinery\n'
    'half = types.ModuleType("mmengine")\n'
    'half.__spec__ = importlib.machinery.ModuleSpec("mmengine", None)\n'
    'half.__spec__._initializing = True\n'
    'sys.modules["mmengine"] = half\n'
    'import alignmix_mm\n'
    'del sys.modules["mmengine"]',
}
LOOK = '''
import warnings
warnings.simplefilter('ignore')
import mmpretrain
from mmpretrain import registry
import alignmix_mm
from alignmix_mm import _registration
found = {}
for name, modules in _registration.LOCATIONS.items():
    table = getattr(registry, name)
    for kind in ['AlignMix', 'AlignMixNeck', 'MixLogHook', 'Digits',
                 'AdversarialTestLoop', 'Localization', 'PiecewiseLinearLR',
                 'LoadCheckedImage']:
        if table.get(kind) is not None:
            assert table.get(kind) is getattr(alignmix_mm, kind)
            found[kind] = name
assert len(found) == 8, found
assert mmpretrain.list_models('alignmix-digits') == ['alignmix-digits']
from mmengine.config import Config
Config._get_cfg_path('alignmix_mm::alignmix_r18_cifar10.py', 'x.py')
'''


@pytest.mark.process
@pytest.mark.parametrize('order', ORDERS)
def test_everything_is_registered_in_any_order(order):
    fresh(ORDERS[order] + '\n' + LOOK)


@pytest.mark.process
def test_classes_say_what_to_install():
    result = subprocess.run(
        [sys.executable, '-c', HIDE + 'import alignmix_mm\n'
         'alignmix_mm.AlignMix'], capture_output=True, text=True)
    assert result.returncode == 1
    assert 'ImportError' in result.stderr
    assert 'did not find mmengine, mmcv, mmpretrain' in result.stderr
    assert 'alignmix_mm[official]' in result.stderr


def test_an_unknown_name_is_an_attribute_error():
    import alignmix_mm
    with pytest.raises(AttributeError, match="'alignmix_mm'.*'Alignmix'"):
        alignmix_mm.Alignmix  # noqa: B018
    assert {'AlignMix', 'config_path', 'ops'} <= {*dir(alignmix_mm), 'ops'}


def test_types_of_the_exports_are_those_of_the_package():
    import ast

    import alignmix_mm
    tree = ast.parse((ROOT / 'alignmix_mm' / '__init__.pyi').read_text())
    typed = {alias.name: f'.{node.module}' for node in tree.body
             if isinstance(node, ast.ImportFrom) for alias in node.names}
    own = {'config_path': '.shipped', '__version__': '.version'}
    assert typed == alignmix_mm._EXPORTS | own
    names = next(ast.literal_eval(node.value) for node in tree.body
                 if isinstance(node, ast.Assign))
    assert names == alignmix_mm.__all__


def test_locations_are_all_modules_that_register():
    """A room that registers classes and is in no location is never seen."""
    package = ROOT / 'alignmix_mm'
    places = [location.replace('.', '/') for modules in
              _registration.LOCATIONS.values() for location in modules]
    for path in package.rglob('*.py'):
        text = path.read_text()
        name = path.relative_to(package).with_suffix('').as_posix()
        if '.register_module(' in text and name != 'engine/hooks/backends':
            assert any(name == place or name.startswith(f'{place}/')
                       for place in places), name


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / 'waited_for.py').write_text('value = 1\n')
    yield 'waited_for'
    sys.modules.pop('waited_for', None)


def test_actions_come_after_the_module_in_their_order(module):
    seen = []
    when_imported(module, lambda m: seen.append(('first', m.value)))
    when_imported(module, lambda m: seen.append(('second', m.value)))
    assert not seen
    imported = __import__(module)
    assert seen == [('first', 1), ('second', 1)]
    assert imported.__spec__.loader.get_source(module) == 'value = 1\n'
    when_imported(module, lambda m: seen.append('at once'))
    assert seen[-1] == 'at once'
    __import__('importlib').reload(imported)
    assert len(seen) == 3


def test_a_module_that_fails_is_waited_for_again(module, tmp_path):
    (tmp_path / 'waited_for.py').write_text('raise ValueError\n')
    seen = []
    when_imported(module, seen.append)
    with pytest.raises(ValueError):
        __import__(module)
    assert not seen
    (tmp_path / 'waited_for.py').write_text('value = 22\n')
    __import__('importlib').invalidate_caches()
    assert __import__(module).value == 22
    assert len(seen) == 1


def test_commands_are_listed_and_mistyped_ones_named():
    listed = alignmix('--help')
    assert all(f'  {name} ' in listed and what.split(':')[0] in listed
               for name, (_, what) in COMMANDS.items())
    assert alignmix('visualize').count('visualize ') == 5 - 1
    assert "Did you mean 'train'?" in alignmix('trian', 'x.py', code=2)
    assert "Did you mean 'visualize alignment'?" in alignmix(
        'visualize', 'alignmant', code=2)
    assert alignmix('--version').startswith('alignmix_mm ')


USER = '''
import numpy as np
import torch
from alignmix_mm import AlignMix, config_path
from alignmix_mm.evaluation.functional import (
    bin_statistics, expected_calibration_error, ood_metrics)
from alignmix_mm.ops import align_and_mix, assignment, pairwise_cost

x = torch.rand(2, 3, 4, 4)
plan = assignment(pairwise_cost(x.flatten(2), x.flatten(2)))
reveal_type(plan)
reveal_type(assignment(plan, return_info=True)[1].sweeps)
reveal_type(align_and_mix(x, x, .3))
reveal_type(align_and_mix(x, x, .3, return_info=True))
probs = np.ones((2, 1))
reveal_type(expected_calibration_error(probs, np.zeros(2, int)))
reveal_type(bin_statistics(probs, np.zeros(2, int)).count)
reveal_type(ood_metrics(np.ones(2), np.zeros(2)))
reveal_type(config_path('x.py'))
AlignMix(alpha=1.)
assignment('no tensor')
align_and_mix(x, x)
'''
TENSOR = 'torch._tensor.Tensor'


@pytest.mark.slow
@pytest.mark.process
def test_a_type_checker_sees_what_a_user_gets(tmp_path):
    """Shipped types (py.typed), with torch's and NumPy's."""
    pytest.importorskip('mypy')
    (tmp_path / 'mine.py').write_text(USER)
    result = subprocess.run(
        [sys.executable, '-m', 'mypy', '--cache-dir', tmp_path / 'cache',
         '--ignore-missing-imports', '--follow-imports=silent', 'mine.py'],
        cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, 'MYPYPATH': str(ROOT)})
    seen = re.findall(r'Revealed type is "(.*)"', result.stdout)
    seen = [kind.replace('builtins.', '') for kind in seen]
    pair = seen.pop(3)
    assert seen[:3] == [TENSOR, f'int | {TENSOR}', TENSOR], result.stdout
    assert pair.startswith(f'tuple[{TENSOR}, tuple[')
    assert 'fallback=alignmix_mm.ops.transport.TransportInfo' in pair
    assert seen[3] == 'float' and 'ndarray' in seen[4]
    assert seen[5:] == ['dict[str, float]', 'str']
    errors = [line for line in result.stdout.splitlines() if 'error:' in line]
    assert len(errors) == 2, result.stdout
    assert 'arg-type' in errors[0] or 'call-overload' in errors[0]
