"""Removes comments from prompts as WebUIs do: copies of strip_comments in their processing_scripts/comments.py."""

import re


def strip_a1111(text):
    text = re.sub("(^|\n)#[^\n]*(\n|$)", "\n", text)
    return re.sub("#[^\n]*(\n|$)", "\n", text)


def strip_neo(text):
    text = re.sub(r"\/\*.*?\*\/", "", text, flags=re.DOTALL)
    return re.sub(r"[^\S\n]*(\#|\/\/).*", "", text)


def strip_reforge(text):
    text = re.sub(r"(^/\*.*?\*/(\n|$))", "\n", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"(#.*(\n|$))", "\n", text)
    text = re.sub(r"(//.*(\n|$))", "\n", text)
    return re.sub(r"(/\*.*(\n|$))|(\*/.*(\n|$))", "\n", text)


STRIPS = [strip_a1111, strip_neo, strip_reforge]
