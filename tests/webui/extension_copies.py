"""Copies other extensions and changes the copies. Installed extensions stay unchanged."""

import shutil


def copy_extension(extension, folder):
    return shutil.copytree(extension, folder / extension.name, ignore=shutil.ignore_patterns(".git"))


def replace(file, *changes):
    """Replaces texts in a file. The changes are pairs of old and new; each old text must exist."""
    text = file.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
