"""Tokenizer cases: what `CLIPTokenizer` makes of hundreds of hostile strings, for two vocabularies."""

import collections
import json
import shutil
from pathlib import Path

from transformers import CLIPTokenizer

from .cases import CaseFolder, write_json
from .nasty_strings import HAND_WRITTEN, REPEATED, WORDS, generated

MAX_LENGTH = 77
START, END = "<|startoftext|>", "<|endoftext|>"

CORPUS = " ".join(WORDS) + (
    " it's don't we're they've i'm she'll he'd 2024 1080p 60fps ... !!! -- 'n' é è ü ñ ß ç façade naïve über jalapeño"
    " 中文 日本語 日本 中国 한국어 한국 русский текст русские שלום مرحبا ελληνικά 😀😀 🎬🎬 👍👍 हिन्दी ไทย ½ ² œuvre"
)
"""What the second vocabulary learns its merges from: they cross bytes of one character and of neighbours."""


def bytes_to_unicode() -> dict[int, str]:
    """The byte-to-letter table of GPT-2: printable bytes stand for themselves, the rest for letters from 256 on."""
    visible = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
    table = {byte: chr(byte) for byte in visible}
    for byte in range(256):
        table.setdefault(byte, chr(256 + len(table) - len(visible)))
    return table


def learn_merges(corpus: str, count: int) -> list[tuple[str, str]]:
    """Byte-pair encoding over the words of the corpus; ties go to the first pair in order."""
    letters = bytes_to_unicode()
    words = []
    for word in dict.fromkeys(corpus.split()):
        symbols = [letters[byte] for byte in word.encode("utf-8")]
        symbols[-1] += "</w>"
        words.append(symbols)
    merges = []
    while len(merges) < count:
        pairs = collections.Counter(pair for word in words for pair in zip(word, word[1:]))
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        for word in words:
            i = 0
            while i + 1 < len(word):
                if (word[i], word[i + 1]) == best:
                    word[i : i + 2] = ["".join(best)]
                i += 1
    return merges


def write_vocabulary(folder: Path, merges: list[tuple[str, str]], pad_token: str) -> None:
    """The files of a CLIP tokenizer, in the id order of the published ones: bytes, bytes at word ends, merges."""
    folder.mkdir()
    letters = sorted(bytes_to_unicode().values())
    tokens = [*letters, *(letter + "</w>" for letter in letters), *("".join(pair) for pair in merges), START, END]
    vocabulary = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": pad_token}
    write_json(folder / "special_tokens_map.json", special)
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": MAX_LENGTH, "add_prefix_space": False,
              "do_lower_case": True, "errors": "replace", **special}
    write_json(folder / "tokenizer_config.json", config)


def encode(tokenizer: CLIPTokenizer, text: str) -> dict:
    """`ids`: up to the last real token, the rest of the 77 being `pad_id`; `untruncated`: how many it would be."""
    padded = tokenizer(text, padding="max_length", max_length=MAX_LENGTH, truncation=True)
    ids, used = padded.input_ids, sum(padded.attention_mask)
    if len(ids) != MAX_LENGTH or any(token != tokenizer.pad_token_id for token in ids[used:]):
        raise RuntimeError(f"unexpected padding for {text[:40]!r}")
    return {"ids": ids[:used], "untruncated": len(tokenizer(text).input_ids)}


def write_case(parent: Path, name: str, seed: int, generated_count: int, vocabulary: Path | None) -> Path:
    """With `vocabulary`, its files are copied; without, a small multilingual one that pads with "!" is learned."""
    with CaseFolder(parent, "tokenizer", name, seed, "", 0.0) as folder:
        target = folder.path / "tokenizer"
        if vocabulary is None:
            write_vocabulary(target, learn_merges(CORPUS, 400), pad_token="!")
            origin = "learned multilingual merges"
        else:
            target.mkdir()
            for file in ("vocab.json", "merges.txt", "special_tokens_map.json", "tokenizer_config.json"):
                shutil.copyfile(vocabulary / file, target / file)
            origin = "a given vocabulary"
        folder.info["metric"] = "identical"
        tokenizer = CLIPTokenizer.from_pretrained(target)
        folder.info["description"] = f"{origin}: {len(tokenizer)} tokens, padding with {tokenizer.pad_token}"
        strings = list(dict.fromkeys(HAND_WRITTEN + generated(generated_count, seed)))
        entries = [{"text": text, **encode(tokenizer, text)} for text in strings]
        entries += [{"repeat": [piece, times], **encode(tokenizer, piece * times)} for piece, times in REPEATED]
        lines = ",\n".join(json.dumps(entry, ensure_ascii=True, separators=(",", ":")) for entry in entries)
        header = json.dumps({"max_length": MAX_LENGTH, "pad_id": tokenizer.pad_token_id,
                             "start_id": tokenizer.bos_token_id, "end_id": tokenizer.eos_token_id})
        text = header[:-1] + ', "entries": [\n' + lines + "\n]}\n"
        json.loads(text)
        (folder.path / "golden.json").write_text(text, encoding="ascii")
        folder.info["strings"] = len(entries)
    return folder.destination
