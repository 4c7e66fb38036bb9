"""PyTorch `.bin` files for loader tests: everything published checkpoints contain, and files made to hurt a reader.

`case.json` holds `file` (what to open) and `expect`: `tensors` (then `golden.safetensors` has them), `error` with the
kind of error in `reason`, or `either` (the tensors or a clean refusal). No file may ever run code; the malicious ones would create `PWNED` in the working folder.
"""

import io
import os
import pickle
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from .cases import CaseFolder, seeded, write_json

FILE = "pytorch_model.bin"
COMMAND = "echo this pickle ran code > PWNED"


def draw(seed: int) -> "OrderedDict[str, torch.Tensor]":
    generator = seeded(seed)
    return OrderedDict(
        (name, torch.randn(shape, generator=generator))
        for name, shape in [("conv_in.weight", (4, 3, 3, 3)), ("conv_in.bias", (4,)), ("norm.weight", (4,)),
                            ("proj.weight", (5, 4)), ("empty", (0, 3)), ("scalar", ())])


def views(seed: int) -> "OrderedDict[str, torch.Tensor]":
    """Tensors that are not whole contiguous storages, as slicing and weight tying leave them behind."""
    base = torch.randn((6, 8), generator=seeded(seed))
    return OrderedDict([
        ("base", base), ("tied", base), ("transposed", base.t()), ("row", base[2]), ("column", base[:, 3]),
        ("strided", base[::2, 1::3]), ("expanded", base[0].expand(3, 8)), ("offset", base.flatten()[5:29].reshape(4, 6)),
        ("permuted", torch.randn((2, 3, 4), generator=seeded(seed + 1)).permute(2, 0, 1)),
    ])


def dtypes(seed: int) -> "OrderedDict[str, torch.Tensor]":
    values = torch.randn((3, 4), generator=seeded(seed)) * 50
    return OrderedDict([
        ("f64", values.double()), ("f32", values), ("f16", values.half()), ("bf16", values.bfloat16()),
        ("i64", values.long()), ("i32", values.int()), ("i16", values.short()), ("i8", values.char()),
        ("u8", values.abs().to(torch.uint8)), ("bool", values > 0),
    ])


def module_state(seed: int):
    """What `torch.save(module.state_dict())` gives: an OrderedDict with a `_metadata` attribute."""
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.GroupNorm(2, 4))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=seeded(seed)))
    return module.state_dict()


def write_good(parent: Path, name: str, seed: int, description: str, tensors, save=torch.save, wrap=None,
               expect: str = "tensors") -> None:
    with CaseFolder(parent, "pickle", name, seed, description, 0.0) as folder:
        folder.info.update(metric="identical", file=FILE, expect=expect)
        save(tensors if wrap is None else wrap(tensors), folder.path / FILE)
        folder.golden(dict(tensors))


def write_bad(parent: Path, name: str, description: str, reason: str, content: bytes) -> None:
    with CaseFolder(parent, "pickle", name, 0, description, 0.0) as folder:
        folder.info.update(metric="identical", file=FILE, expect="error", reason=reason)
        (folder.path / FILE).write_bytes(content)


def legacy(value, path) -> None:
    torch.save(value, path, _use_new_zipfile_serialization=False)


def protocol_4(value, path) -> None:
    torch.save(value, path, pickle_protocol=4)


class Malicious:
    """Unpickling this calls `os.system`."""

    def __reduce__(self):
        return os.system, (COMMAND,)


class Indirect:
    """The same through `builtins.eval`, which a list of forbidden modules may miss."""

    def __reduce__(self):
        return eval, (f"__import__('os').system({COMMAND!r})",)


def saved(value, **options) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def rezipped(content: bytes, change) -> bytes:
    """The same archive with `change(name, bytes)` applied to every entry; None drops the entry."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(result, "w", zipfile.ZIP_STORED) as target:
        for info in source.infolist():
            data = change(info.filename, source.read(info))
            if data is not None:
                entry = zipfile.ZipInfo(info.filename, date_time=(1980, 1, 1, 0, 0, 0))
                target.writestr(entry, data)
    return result.getvalue()


def replace_pickle(content: bytes, pickled: bytes) -> bytes:
    return rezipped(content, lambda name, data: pickled if name.endswith("/data.pkl") else data)


def tensor_claim(shape: tuple[int, ...], stride: tuple[int, ...], offset: int, storage_elements: int) -> bytes:
    """A `data.pkl` for one f32 tensor with made-up numbers, in the opcodes torch itself writes."""
    out = io.BytesIO()
    pickler = pickle.Pickler(out, protocol=2)
    pickler.persistent_id = lambda item: item if isinstance(item, tuple) and item[:1] == ("storage",) else None
    rebuild = (torch._utils._rebuild_tensor_v2,
               (("storage", torch.FloatStorage, "0", "cpu", storage_elements), offset, shape, stride, False, OrderedDict()))

    class Claim:
        def __reduce__(self):
            return rebuild

    pickler.dump(OrderedDict(claim=Claim()))
    return out.getvalue()


def write_shards(parent: Path, name: str, seed: int, kind: str) -> None:
    """Two files and the index that says which tensor is where, as large checkpoints are split."""
    with CaseFolder(parent, "pickle", name, seed, f"two {kind} shards with an index", 0.0) as folder:
        tensors = draw(seed)
        stem, suffix = ("pytorch_model", "bin") if kind == "bin" else ("model", "safetensors")
        index_name = f"{stem}.{suffix}.index.json"
        folder.info.update(metric="identical", file=index_name, expect="tensors")
        files = [f"{stem}-0000{i}-of-00002.{suffix}" for i in (1, 2)]
        names = list(tensors)
        parts = [names[::2], names[1::2]]
        for file, part in zip(files, parts):
            chosen = OrderedDict((key, tensors[key]) for key in part)
            if kind == "bin":
                torch.save(chosen, folder.path / file)
            else:
                save_file(dict(chosen), folder.path / file, metadata={"format": "pt"})
        weight_map = {key: file for file, part in zip(files, parts) for key in part}
        size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
        write_json(folder.path / index_name, {"metadata": {"total_size": size}, "weight_map": weight_map})
        folder.golden(dict(tensors))


def write_all(parent: Path, seed: int) -> None:
    write_good(parent, "zip-f32", seed, "the usual zip format", draw(seed))
    write_good(parent, "zip-f16", seed + 1, "half precision", OrderedDict((k, v.half()) for k, v in draw(seed + 1).items()))
    write_good(parent, "zip-bf16", seed + 2, "bfloat16", OrderedDict((k, v.bfloat16()) for k, v in draw(seed + 2).items()))
    write_good(parent, "zip-dtypes", seed + 3, "every dtype of a checkpoint", dtypes(seed + 3))
    write_good(parent, "zip-views", seed + 4, "shared storages, transposed, strided and expanded views", views(seed + 4))
    write_good(parent, "zip-module", seed + 5, "a module's state_dict with its _metadata attribute", module_state(seed + 5))
    write_good(parent, "zip-parameters", seed + 6, "values saved as nn.Parameter", draw(seed + 6),
               wrap=lambda t: OrderedDict((k, torch.nn.Parameter(v)) for k, v in t.items()))
    write_good(parent, "zip-plain-dict", seed + 7, "a plain dict instead of an OrderedDict", draw(seed + 7), wrap=dict)
    write_good(parent, "zip-protocol-4", seed + 8, "pickle protocol 4, which torch's own safe loader refuses", draw(seed + 8),
               save=protocol_4, expect="either")
    write_good(parent, "zip-nested", seed + 9, "the tensors below a `state_dict` key, beside plain values", draw(seed + 9),
               wrap=lambda t: {"epoch": 3, "lr": 1e-4, "note": None, "done": True, "state_dict": t})
    write_good(parent, "legacy-f32", seed + 10, "the format before torch 1.6", draw(seed + 10), save=legacy)
    write_good(parent, "legacy-views", seed + 11, "the old format with shared storages and views", views(seed + 11), save=legacy)
    write_good(parent, "legacy-dtypes", seed + 12, "the old format with every dtype", dtypes(seed + 12), save=legacy)
    write_shards(parent, "sharded-bin", seed + 13, "bin")
    write_shards(parent, "sharded-safetensors", seed + 14, "safetensors")
    write_all_bad(parent, seed)


def write_all_bad(parent: Path, seed: int) -> None:
    good = saved(draw(seed))
    old = saved(draw(seed), _use_new_zipfile_serialization=False)
    evil = OrderedDict(weight=torch.zeros(2), extra=Malicious())
    write_bad(parent, "evil-zip", "its pickle calls os.system", "code", saved(evil))
    write_bad(parent, "evil-legacy", "the old format, calling os.system", "code",
              saved(evil, _use_new_zipfile_serialization=False))
    write_bad(parent, "evil-eval", "its pickle calls builtins.eval", "code", saved(OrderedDict(extra=Indirect())))
    write_bad(parent, "evil-first", "the call comes before any tensor", "code", saved(Malicious()))
    write_bad(parent, "evil-protocol-4", "the call is named by STACK_GLOBAL instead of GLOBAL", "code",
              saved(evil, pickle_protocol=4))
    write_bad(parent, "evil-plain-pickle", "not a torch file: a bare pickle that calls os.system", "code",
              pickle.dumps(Malicious(), protocol=2))
    write_bad(parent, "truncated-zip", "the last third is missing, and with it the zip directory", "truncated",
              good[: len(good) * 2 // 3])
    write_bad(parent, "truncated-legacy", "the last storage is cut short", "truncated", old[:-7])
    write_bad(parent, "empty-file", "no bytes at all", "truncated", b"")
    write_bad(parent, "not-a-checkpoint", "a text file (a Git LFS pointer)", "format",
              b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 5645549593\n")
    write_bad(parent, "missing-storage", "an entry that the pickle refers to is absent", "missing",
              rezipped(good, lambda name, data: None if name.endswith("/data/0") else data))
    write_bad(parent, "short-storage", "a storage has fewer bytes than the pickle says", "truncated",
              rezipped(good, lambda name, data: data[:-4] if name.endswith("/data/0") else data))
    write_bad(parent, "big-endian", "says that its bytes are big-endian (torch swaps them; no published file has it)", "format",
              rezipped(good, lambda name, data: b"big" if name.endswith("/byteorder") else data))
    one = saved(OrderedDict(claim=torch.zeros(12)))
    claims = [
        ("outside-storage", "a shape larger than its storage", (100, 100), (100, 1), 0, 12),
        ("huge-shape", "a shape whose element count overflows 64 bits", (1 << 40, 1 << 40), (1 << 40, 1), 0, 12),
        ("offset-outside", "an offset beyond the storage", (4,), (1,), 1 << 40, 12),
        ("negative-stride", "a negative stride", (4,), (-1,), 11, 12),
        ("huge-storage", "a storage of 2^60 elements, to be refused before it is allocated", (4,), (1,), 0, 1 << 60),
    ]
    for name, description, shape, stride, offset, elements in claims:
        write_bad(parent, name, description, "bounds", replace_pickle(one, tensor_claim(shape, stride, offset, elements)))
    write_bad(parent, "stack-underflow", "a pickle that pops an empty stack", "format", replace_pickle(one, b"\x80\x020000."))
    write_bad(parent, "deep-nesting", "10000 nested lists, to exhaust a recursive reader", "format",
              replace_pickle(one, b"\x80\x02" + b"]" * 10_000 + b"a" * 9_999 + b"."))
    write_bad(parent, "endless-string", "a string length of 4 GiB in a short pickle", "truncated",
              replace_pickle(one, b"\x80\x02X\xff\xff\xff\xff" + b"abc"))


def verify(case: Path, info: dict) -> float:
    """torch's own safe loader must give the goldens, and refuse what runs code."""
    golden = load_file(case / "golden.safetensors") if info["expect"] == "tensors" else None
    try:
        if golden is not None and info["file"].endswith(".json"):
            return 0.0  # torch has no loader for an index
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocol 4
            loaded = torch.load(case / info["file"], weights_only=True)
    except Exception:
        if golden is not None:
            raise
        return 0.0
    if info.get("reason") == "code":
        raise ValueError(f"{case.name}: torch loads it")
    if golden is not None:
        loaded = loaded.get("state_dict", loaded)
        same = loaded.keys() == golden.keys() and all(torch.equal(loaded[key], golden[key]) for key in golden)
        if not same:
            raise ValueError(f"{case.name}: torch loads something else")
    return 0.0
