"""Known faults in reports and in pictures of matches, for `mutants.py`."""
REPORTING = 'alignmix_mm/cli/reporting'
TESTS = 'test_cli/test_report.py'

REPORT = (
    ('report: charts of one dot', f'{REPORTING}/figures.py',
     'if sum(map(math.isfinite, curve.values())) > 1}',
     'if sum(map(math.isfinite, curve.values()))}', TESTS),
    ('report: a dot beside NaN is a line', f'{REPORTING}/figures.py',
     'if sum(map(math.isfinite, curve.values())) > 1}',
     'if len(curve) > 1}', TESTS),
    ('report: accuracy is not first', f'{REPORTING}/figures.py',
     "for name in accuracies),\n        *drawn(name for name in alone if "
     "'loss' in name)",
     "for name in ()),\n        *drawn(name for name in alone if "
     "'loss' in name)", TESTS),
    ('report: dashes count all runs', f'{REPORTING}/figures.py',
     'line=dict(dash=_dash(own.index(n)))', 'line=dict(dash=_dash(n))',
     TESTS),
    ('report: epochs of the last part only', f'{REPORTING}/scalars.py',
     'round((end - start) / (last - first))', 'round(end / last)', TESTS),
    ('report: epochs on an axis of iterations', f'{REPORTING}/axis.py',
     'same = not run.by_epoch or unit == \'epoch\'', 'same = True', TESTS),
    ('report: the first picture of a series', f'{REPORTING}/records.py',
     "found[file.stem.rpartition('_')[0]] = file",
     "found.setdefault(file.stem.rpartition('_')[0], file)", TESTS),
    ('report: names of folders are differences',
     f'{REPORTING}/differences.py', 'if key not in OWN', 'if key', TESTS),
    ('matches: the weakest arcs', 'alignmix_mm/visualization/alignment.py',
     'weight = plan.max(axis=1)', 'weight = -plan.max(axis=1)',
     'test_visualization/test_alignment.py'),
    ('matches: ties from the top', 'alignmix_mm/visualization/alignment.py',
     'gaps.min(axis=1).argmax() if len(chosen) else 0', '0',
     'test_visualization/test_alignment.py'),
    ('log: the accuracy of the last batch',
     'alignmix_mm/engine/hooks/mix_log.py',
     'torch.stack(self._accuracies).mean()', 'self._accuracies[-1]',
     'test_engine/test_hooks/test_mix_log.py'),
)
