"""Find the rows of published tables that a config reproduces."""
import json
import re
from pathlib import Path
from typing import NamedTuple

TABLES = {
    'cifar10': ('Table 1a', 'CIFAR-10', 2000),
    'cifar100': ('Table 1a', 'CIFAR-100', 2000),
    'tinyimagenet': ('Table 1a', 'TinyImageNet', 1200),
    'imagenet': ('Table 1b', 'ImageNet', 300),
    'imagenet_100e': ('Table 5', 'ImageNet', 100),
    'cub_wsol': ('Table 4', 'CUB-200-2011', 600),
}
AUTHORS = "authors' README"
SOURCES = {AUTHORS, 'Table 8', *(table for table, *_ in TABLES.values())}
BACKBONES = {'r18': 'PreActResNet18', 'wrn16_8': 'WRN16-8',
             'r50': 'ResNet-50', 'vgg16gap': 'VGG16-GAP'}
TITLES = {'PreActResNet18': 'R-18', 'ResNet-50': 'R-50',
          'VGG16-GAP': 'VGG-GAP', 'Table 1a': 'Table 1(a)',
          'Table 1b': 'Table 1(b)'}
METHODS = {'alignmix': 'AlignMix', 'baseline': 'Baseline',
           'input': 'Input mixup', 'cutmix': 'CutMix',
           'manifold': 'Manifold mixup', 'cutout': 'Cutout',
           'puzzlemix': 'PuzzleMix', 'comixup': 'Co-Mixup',
           'saliencymix': 'SaliencyMix', 'stylemix': 'StyleMix',
           'stylecutmix': 'StyleCutMix', 'adl': 'ADL', 'acol': 'ACoL'}
ENCODERS = {'ae': 'AlignMix/AE', 'vae': 'AlignMix/VAE'}
LAYERS = {'xe': '{{x,{e}}}', 'xa': '{{x,A}}', 'xae': '{{x,A,{e}}}',
          '2x2': '{{x,A_2x2,{e}}}', '8x8': '{{x,A_8x8,{e}}}'}
# notation for e, as a vector and as a tensor
EMBEDDINGS = {'AlignMix': ('e', 'E'), 'AlignMix/AE': ('e', 'E'),
              'AlignMix/VAE': ('(mu,sigma)', '(M,Sigma)')}
# measures of quality; the tables also have sizes and times
METRICS = ('top1_error', 'top1_acc', 'top1_loc', 'MaxBoxAccV2')
NAME = re.compile(
    rf'(?P<method>{"|".join(METHODS)})_((?P<row>\w+?)_)?'
    rf'(?P<backbone>{"|".join(BACKBONES)})_'
    rf'(?P<data>{"|".join(sorted(TABLES, key=len, reverse=True))})'
    r'(_(?P<variant>ae|vae|official|paper|cutmix_recipe))?')


class Row(NamedTuple):
    """A row of a table, for one data set and one network.

    Attributes:
        source (str): The table.
        dataset (str): Data set.
        epochs (int): Epochs of training.
        backbone (str): Network.
        method (str): Method.
        layers (str): Mixed layers; empty if the table does not say.
        aligned (bool, optional): Whether they are aligned; None if the table
            does not say.
    """

    source: str
    dataset: str
    epochs: int
    backbone: str
    method: str
    layers: str = ''
    aligned: bool | None = None

    def __str__(self) -> str:
        where = ', '.join(TITLES.get(word, word) for word in (
            self.source, self.dataset, self.backbone))
        alignment = {None: '', True: ', aligned', False: ', not aligned'}
        layers = f', {self.layers}' if self.layers else ''
        return f'{where}: {self.method}{layers}{alignment[self.aligned]}'


def rows_of(stem: str) -> list[Row]:
    """Find the rows that a config reproduces, from its name.

    Args:
        stem (str): File name without suffix.

    Returns:
        list[Row]: The rows; empty if it is not in the paper, like the demos.
    """
    match = NAME.fullmatch(stem)
    if match is None:
        return []
    method = METHODS[match['method']]
    source, *where = TABLES[match['data']]
    backbone = BACKBONES[match['backbone']]
    if match['row']:
        return [_ablation(match['row'].split('_'), *where, backbone)]
    if match['variant'] == 'official':
        source = AUTHORS
    method = ENCODERS.get(match['variant'], method)
    rows = [Row(source, *where, backbone, method)]
    if match['data'] == 'cifar100' and method in EMBEDDINGS and (
            source != AUTHORS and backbone == 'PreActResNet18'):
        rows.append(_ablation(
            [*filter(None, [match['variant']]), 'xae'], *where, backbone))
    return rows


def _ablation(words: list[str], dataset: str, epochs: int,
              backbone: str) -> Row:
    """The row of Table 8 that the words of a config's name describe."""
    method = ENCODERS.get(words[0], 'AlignMix')
    layers = LAYERS[words[words[0] in ENCODERS]].format(
        e=EMBEDDINGS[method]['tensor' in words])
    # only a tensor can be aligned
    aligned = 'unaligned' not in words and any(
        c in layers for c in ('A', 'E', 'M'))
    return Row('Table 8', dataset, epochs, backbone, method, layers, aligned)


def published(row: Row, records: list[dict]) -> dict[str, float]:
    """Get the published values of a row.

    Args:
        row (Row): The row.
        records (list[dict]): All published values.

    Returns:
        dict[str, float]: Value of each metric, in percent.
    """
    wanted = {k: v for k, v in row._asdict().items() if v not in ('', None)}
    return {record['metric']: record['value'] for record in records
            if all(record.get(k) == v for k, v in wanted.items())}


def extract(numbers: Path) -> list[dict]:
    """Select the published values that our configs are compared with.

    Args:
        numbers (Path): JSON file of published values.

    Returns:
        list[dict]: One entry for each value.
    """
    records = []
    for entry in json.loads(numbers.read_text()):
        source = entry['source'].split(') ')[-1]
        if 'repo README' in entry['source'] and 'AlignMix' in entry['source']:
            source = AUTHORS
        elif not entry['source'].startswith('seed paper'):
            continue
        if source not in SOURCES or (
                entry['metric'] not in METRICS):
            continue
        record = {**entry, 'source': source,
                  'method': entry['method'].removesuffix(' (baseline)')}
        if record['method'] == 'CAM':  # class activation maps of the baseline
            record['method'] = 'Baseline'
        records.append({key: record[key] for key in (
            *Row._fields, 'metric', 'value') if key in record})
    return records
