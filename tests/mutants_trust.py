"""Known faults in reading files, for `mutants.py`."""

READING = 'test_engine/test_reading.py test_engine/test_checkpoints.py'
FINDING = 'test_engine/test_finding.py'
REPORT = 'test_cli/test_report_foreign.py'
LISTS = 'test_datasets/test_list_files.py'
DRAWING = 'test_visualization/test_drawing.py'

# file of alignmix_mm and tests: name, old text and new text of each
FAULTS = {
    ('engine/reading.py', READING): (
        ('checksums are not looked at', '    if broken is not None:',
         '    if False:'),
        ('damage of any kind is not foreseen',
         'except Exception as error:  # damage',
         'except zipfile.BadZipFile as error:  # damage'),
        ('an archive without weights is a checkpoint',
         "not any(name.endswith('/data.pkl') for name in names)", 'False'),
        ('what precedes an archive is not seen',
         'if not head.startswith(ARCHIVE)', 'if False'),
        ('errors of the reader of torch are not damage',
         'has_checksums and TORCHS_READER not in str(error)',
         'has_checksums'),
        ('damage of an old format is advised to be trusted',
         'has_checksums or _asks_for_code(reason)', 'True'),
        ('code in an old format is damage',
         'has_checksums or _asks_for_code(reason)', 'has_checksums'),
        ('files that are right are called damaged',
         'return CheckpointError(reason)', 'return DamagedError(reason)'),
        ('advice of torch is shown', "ADVICE.sub('', ", '(lambda x: x)('),
    ),
    ('engine/checkpoints.py', READING): (
        ('a damaged download is to be resumed from another network',
         'return _read(path, url, _download_again, map_location, trust)',
         'return _read(path, url, _newest_beside, map_location, trust)'),
        ('downloads are never trusted',
         '_download_again, map_location, trust)',
         '_download_again, map_location, False)'),
        ('hashes of downloads are not checked', ' if check_hash else None',
         ' if False else None'),
    ),
    ('engine/compat.py', READING): (
        ('trust stops at the network',
         '    checkpoint.load_url = functools.partial(load_url, trust=True)\n',
         ''),
    ),
    ('engine/finding.py', FINDING): (
        ('a file is its own remedy', 'path != besides and ', ''),
        ('names decide which file is the newest',
         'return named, ', "return path.name, "),
        ('times decide which file is the newest',
         "return named, 'optimizer' in checkpoint, *steps, ", 'return '),
        ('weights of another run are taken',
         'if not named and max(steps) < 0:', 'if False:'),
        ('a complete checkpoint of another run is taken',
         'return named, ', 'return True, '),
        ('a damaged pointer raises', 'except (OSError, ValueError):',
         'except FileNotFoundError:'),
        ('a copied folder goes on from the original',
         'for path in (here, Path(name))', 'for path in (Path(name), here)'),
        ('the newest file may be damaged',
         'for _, path in ranked if is_complete(path)',
         'for _, path in ranked'),
    ),
    ('engine/stored_config.py', REPORT): (
        ('half a config is taken for all of it', "if '_base_' in found:",
         'if False:'),
    ),
    ('cli/reporting/records.py', REPORT): (
        ('epochs may be a text',
         'value if type(value) is int and value > 0 else None', 'value'),
        ('settings are of the kind that was expected',
         'value.get(name) if isinstance(value, (Config, dict)) else None',
         'value.get(name) if value is not None else None'),
        ('JSON may have no byte-order mark',
         "json.loads(file.read_text(encoding='utf-8-sig'))",
         'json.loads(file.read_text())'),
    ),
    ('cli/reporting/thinning.py', REPORT): (
        ('means of large losses overflow',
         'scale = max(map(abs, finite)) or 1.', 'scale = 1.'),
    ),
    ('cli/reporting/tables.py', REPORT): (
        ('medians of large values overflow',
         'statistics.median_low(values) / 2\n            + '
         'statistics.median_high(values) / 2', 'statistics.median(values)'),
    ),
    ('cli/reporting/scalars.py', REPORT): (
        ('integers beyond floats end the report',
         '    except OverflowError:\n        return', '    except KeyError:\n'
         '        return'),
    ),
    ('evaluation/functional/calibration.py', REPORT): (
        ('a table of no samples is drawn', ' or not count.any()', ''),
        ('any numbers are a table', '        found._check()\n', ''),
    ),
    ('datasets/_rows.py', LISTS): (
        ('a byte-order mark is part of the first line', "'utf-8-sig'",
         "'utf-8'"),
        ('empty lines are lines', '            if line.strip()]',
         '            ]'),
        ('other characters end a line', "text.split('\\n')",
         'text.splitlines()'),
    ),
    ('datasets/localization.py', LISTS): (
        ('lists of CUB are read by MMPretrain',
         'def _load_data_from_txt', 'def _load_data'),
    ),
    ('visualization/_drawing.py', DRAWING): (
        ('names are formulas', 'text.set_parse_math(False)', 'pass'),
        ('gray images are coloured', "cmap='gray', ", ''),
        ('gray images are stretched', 'vmin=0, vmax=255 if is_whole else 1,',
         ''),
        ('names that are not Unicode end the figure',
         "text.get_text().encode(errors='replace').decode()",
         'text.get_text()'),
    ),
    ('visualization/reliability.py', DRAWING): (
        ('labels that begin with a line are not in the legend',
         "return f' {label}' if label.startswith('_') else label",
         'return label'),
    ),
    ('mixing/style_networks.py', 'test_mixing/test_style_networks.py'): (
        ('damaged weights of StyleMix are used', '        _check_sums(path)\n',
         ''),
    ),
}
TRUST = tuple((f'trust: {name}', f'alignmix_mm/{file}', old, new, tests)
         for (file, tests), faults in FAULTS.items()
         for name, old, new in faults)
