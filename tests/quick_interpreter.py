"""Triton's interpreter, without what it does again for every call."""
from types import SimpleNamespace


def quicken(interpreter):
    """Let the interpreter replace Triton's language once for each launch.

    It does so whenever a kernel calls a function, such as `tl.sum`, by going
    through all names of the language: five sixths of its time. What has been
    replaced stays so until the launch ends.
    """
    if not hasattr(interpreter, '_LangPatchScope'):  # an older Triton
        return
    replace = interpreter._patch_lang
    done = set()  # files of functions whose language is replaced

    def replace_once(fn):
        file = fn.__globals__['__name__']
        scope = SimpleNamespace(restore=lambda: None)
        if file not in done:
            scope = replace(fn)
            done.add(file)

        def restore():  # called at the end of a launch alone
            scope.restore()
            done.clear()

        return SimpleNamespace(restore=restore)

    interpreter._patch_lang = replace_once
