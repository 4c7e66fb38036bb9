"""Files that are either complete or not there."""

import json
import os
from pathlib import Path

import torch


def save_atomically(content, path):
    """Save with torch beside the destination, then rename over it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    torch.save(content, partial)
    os.replace(partial, path)


def write_json_atomically(content, path):
    """Write indented JSON beside the destination, then rename over it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    os.replace(partial, path)
