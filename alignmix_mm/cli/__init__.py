"""The console command `alignmix`: one module per command, with a main().

Each module parses its options before it imports anything heavy. Shared code
is in :mod:`alignmix_mm.cli.common`.
"""
