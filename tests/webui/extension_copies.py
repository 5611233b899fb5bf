"""Copies of other extensions, changed where a test needs it: an installed extension stays as it is."""

import shutil


def copy_extension(extension, folder):
    return shutil.copytree(extension, folder / extension.name, ignore=shutil.ignore_patterns(".git"))


def replace(file, *changes):
    """Replaces texts in a file, each of which must be there: pairs of old and new."""
    text = file.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
