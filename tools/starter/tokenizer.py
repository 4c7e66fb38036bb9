"""A small but genuine CLIP byte-pair tokenizer: every caption word is one token, anything else falls back to bytes."""

import collections
import json
from pathlib import Path

from transformers import CLIPTokenizer

from . import data
from .model import TEXT_LENGTH


def byte_symbols():
    """The printable stand-ins of the 256 bytes in GPT-2's and CLIP's order: printable bytes first."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in range(len(others))]


def learn_merges(words):
    """Most frequent pair first (ties in alphabetical order) until every word is one token."""
    pieces = {word: [*word[:-1], word[-1] + "</w>"] for word in words}
    merges = []
    while True:
        counts = collections.Counter(pair for parts in pieces.values() for pair in zip(parts, parts[1:]))
        if not counts:
            return merges
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        for word, parts in pieces.items():
            pieces[word] = _apply(best, parts)


def _apply(pair, parts):
    merged, index = [], 0
    while index < len(parts):
        if tuple(parts[index : index + 2]) == pair:
            merged.append("".join(pair))
            index += 2
        else:
            merged.append(parts[index])
            index += 1
    return merged


def build(folder):
    """Write `vocab.json`, `merges.txt` and the tokenizer's configuration."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    merges = learn_merges(data.caption_words())
    symbols = byte_symbols()
    tokens = symbols + [symbol + "</w>" for symbol in symbols] + ["".join(pair) for pair in merges]
    tokens = list(dict.fromkeys(tokens + ["<|startoftext|>", "<|endoftext|>"]))
    vocabulary = {token: index for index, token in enumerate(tokens)}
    lines = ["#version: 0.2"] + [" ".join(pair) for pair in merges]
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": TEXT_LENGTH,
        "errors": "replace",
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    for word in data.caption_words():
        if len(tokenizer.tokenize(word)) != 1:
            raise ValueError(f"{word!r} is not one token of the vocabulary in {folder}")
    return tokenizer


def run(args):
    """Entry point of the `tokenizer` command."""
    print(f"{len(build(args.out))} tokens in {args.out}")
