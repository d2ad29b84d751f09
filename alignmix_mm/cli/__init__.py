"""The console command `alignmix`: one module a command, each with a main().

Modules of commands parse their options before they import anything heavy;
what they share is in :mod:`alignmix_mm.cli.common`.
"""
