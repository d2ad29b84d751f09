"""The table of configs: rows, figures, and what counts as a result."""
import json

import pytest
from commands import python
from conftest import ROOT
from mmengine.config import Config
from mmpretrain.apis import get_model
from mmpretrain.apis.model import ModelHub

from alignmix_mm.cli.indexing import results, rows

CONFIGS = {path.stem: path for path in (ROOT / 'configs').rglob('*.py')
           if '_base_' not in path.parts}
OURS = {'Baseline', 'Input mixup', 'CutMix', 'Manifold mixup', 'AlignMix',
        'AlignMix/AE', 'AlignMix/VAE', 'Cutout', 'ADL', 'ACoL', 'PuzzleMix',
        'Co-Mixup', 'SaliencyMix', 'StyleMix', 'StyleCutMix'}


def records():
    return json.loads((ROOT / 'configs' / 'published.json').read_text())


def test_every_config_has_a_name_of_its_own():
    paths = [p for p in (ROOT / 'configs').rglob('*.py')
             if '_base_' not in p.parts]
    assert len(CONFIGS) == len(paths)


@pytest.mark.parametrize('stem, text, values', [
    ('alignmix_r18_cifar10', ['Table 1(a), CIFAR-10, R-18: AlignMix'],
     [dict(top1_error=2.95)]),
    ('baseline_wrn16_8_cifar100', ['Table 1(a), CIFAR-100, WRN16-8: Baseline'],
     [dict(top1_error=20.63)]),
    ('manifold_r50_imagenet_100e',
     ['Table 5, ImageNet, R-50: Manifold mixup'], [dict(top1_error=23.30)]),
    ('alignmix_r18_cifar100_ae', [
        'Table 1(a), CIFAR-100, R-18: AlignMix/AE',
        'Table 8, CIFAR-100, R-18: AlignMix/AE, {x,A,e}, aligned'],
     [dict(top1_error=17.82), dict(top1_acc=82.18)]),
    ('alignmix_vae_xe_tensor_unaligned_r18_cifar100', [
        'Table 8, CIFAR-100, R-18: AlignMix/VAE, {x,(M,Sigma)}, not aligned'],
     [dict(top1_acc=80.45)]),
    ('alignmix_xae_tensor_r18_cifar100', [
        'Table 8, CIFAR-100, R-18: AlignMix, {x,A,E}, aligned'],
     [dict(top1_acc=81.36)]),
    ('alignmix_ae_8x8_unaligned_r18_cifar100', [
        'Table 8, CIFAR-100, R-18: AlignMix/AE, {x,A_8x8,e}, not aligned'],
     [dict(top1_acc=80.49)]),
    ('alignmix_r50_cub_wsol', ['Table 4, CUB-200-2011, R-50: AlignMix'],
     [dict(top1_loc=57.8, MaxBoxAccV2=65.9)]),
    ('adl_vgg16gap_cub_wsol', ['Table 4, CUB-200-2011, VGG-GAP: ADL'],
     [dict(top1_loc=52.4, MaxBoxAccV2=61.3)]),
    ('acol_vgg16gap_cub_wsol', ['Table 4, CUB-200-2011, VGG-GAP: ACoL'],
     [dict(top1_loc=45.9, MaxBoxAccV2=57.4)]),
    ('adl_vgg16gap_cub_wsol_wsoleval', [], []),
    ('alignmix_r50_imagenet_official',
     ["authors' README, ImageNet, R-50: AlignMix"], [dict(top1_acc=79.32)]),
    ('alignmix_r18_cifar10_folder', [], []),
    ('alignmix_r18_cifar100_ood', [], [])])
def test_a_config_stands_for_its_rows(stem, text, values):
    assert stem in CONFIGS
    found = rows.rows_of(stem)
    assert [str(row) for row in found] == text
    assert [rows.published(row, records()) for row in found] == values


def test_every_row_of_our_methods_has_a_config():
    have = {row for stem in CONFIGS for row in rows.rows_of(stem)}
    missing = set()
    for record in records():
        if record['method'] not in OURS or record.get('layers') == '-':
            continue
        layers = record.get('layers', '').replace('A_4x4', 'A')  # as it is
        row = rows.Row(*(record[key] for key in rows.Row._fields[:5]),
                       layers, record.get('aligned'))
        if row not in have:
            missing.add(row)
    assert not missing
    # and no config of an ablation stands for two rows, or for none
    ablation = [stem for stem, path in CONFIGS.items()
                if path.parent.name == 'ablation']
    figures = [rows.published(row, records()) for stem in ablation
               for row in rows.rows_of(stem)]
    assert len(figures) == len(ablation) and all(figures)


def test_published_figures_are_those_of_the_source():
    source = ROOT.parent / 'shared' / 'reference' / 'numbers.json'
    if not source.exists():
        pytest.skip('needs ../shared/reference/numbers.json')
    assert rows.extract(source) == records()


def write_run(folder, stem, epochs, values, **changes):
    config = Config.fromfile(CONFIGS[stem])
    config.merge_from_dict(changes)
    log = folder / '20260101_000000' / 'vis_data' / 'scalars.json'
    log.parent.mkdir(parents=True)
    config.dump(folder / f'{stem}.py')
    log.write_text('\n'.join(
        [json.dumps(dict(loss=1., epoch=1, iter=2, step=2))]
        + [json.dumps({'accuracy/top1': value, 'step': epoch})
           for epoch, value in zip(range(1, epochs + 1), values)]))


def test_results_are_those_of_complete_runs_of_unchanged_configs(tmp_path):
    stem, epochs = 'alignmix_ae_cifar10_folder', Config.fromfile(
        CONFIGS['alignmix_ae_cifar10_folder']).train_cfg.max_epochs
    values = [50. + n % 7 for n in range(epochs)]
    write_run(tmp_path / 'whole', stem, epochs, values,
              **{'randomness.seed': 3})
    write_run(tmp_path / 'stopped', stem, epochs, values[:-1])
    write_run(tmp_path / 'other_rate', stem, epochs, values,
              **{'optim_wrapper.optimizer.lr': .3})
    write_run(tmp_path / 'narrow', stem, epochs, values,
              **{'model.backbone.base_channels': 4})
    write_run(tmp_path / 'batch', stem, epochs, values,
              **{'train_dataloader.batch_size': 4})
    found = results.collect(tmp_path, CONFIGS)
    tail = sorted(values[-10:])
    assert found == {stem: dict(metric='accuracy/top1', runs=[dict(
        last=values[-1], best=56., last10_median=(tail[4] + tail[5]) / 2)])}


def test_a_tested_checkpoint_is_a_result_too(tmp_path):
    write_run(tmp_path / 'run', 'alignmix_digits', 0, [])
    metrics = tmp_path / 'run' / 'metrics.json'
    metrics.write_text('{"accuracy/top1": 93.333, "ece": 1.0}')
    assert not results.collect(tmp_path, CONFIGS)  # of which epoch?
    (tmp_path / 'run' / 'epoch_100.pth').touch()
    assert results.collect(tmp_path, CONFIGS) == dict(alignmix_digits=dict(
        metric='accuracy/top1', runs=[dict(last=93.33)]))


@pytest.mark.process
def test_the_files_are_up_to_date():
    """Parameters are those of the models as they are built now."""
    python('tools/index_configs.py', '--check')


def test_mmpretrain_finds_the_models():
    names = [name for name in ModelHub._models_dict
             if name.startswith('alignmix-')]
    assert len(names) == len(CONFIGS)
    model = get_model('alignmix-r18_cifar10')
    entry = ModelHub.get('alignmix-r18_cifar10')
    assert sum(p.numel() for p in model.parameters()) == (
        entry.metadata.parameters)
    assert type(model).__name__ == 'AlignMixClassifier'
