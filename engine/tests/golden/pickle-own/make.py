"""Makes the `.bin` files beside it: kinds of tensors that published checkpoints rarely hold, and a zip that was packed again.

Run `python make.py` with torch 2.12 and safetensors; `NAME.safetensors` holds the numbers that `NAME.bin` must give.
"""

import io
import zipfile
from pathlib import Path

import torch
from safetensors.torch import save_file

HERE = Path(__file__).parent


def write(name, tensors, readable=None, **options):
    torch.save(tensors, HERE / f"{name}.bin", **options)
    if readable is not None:
        save_file({key: value.detach().clone().contiguous() for key, value in readable.items()}, HERE / f"{name}.safetensors")


def main():
    torch.manual_seed(0)
    values = torch.randn(3, 4)
    attributed = torch.randn(5)
    attributed.note = "saved through _rebuild_from_type_v2"
    parameter = torch.nn.Parameter(torch.randn(2, 3))
    parameter.note = "saved through _rebuild_parameter_with_state"
    storage = torch.randn(200)
    state = {
        "attributed": attributed,
        "parameter": parameter,
        "conv": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "video": torch.randn(2, 1, 3, 2, 2).to(memory_format=torch.channels_last_3d),
        "windows": storage.unfold(0, 20, 10)[:, ::3],
        "overlap": torch.as_strided(storage, (4, 4, 4), (1, 1, 1), 7),
        "one": torch.randn(1, 6)[:, 2:3],
        "half": values.half().t(),
        "brain": values.bfloat16()[1:, ::2],
        "none of it": torch.randn(4, 5)[:, 2:2],
        "epoch": 12,
        "history": [0.5, 0.25],
    }
    readable = {key: value for key, value in state.items() if isinstance(value, torch.Tensor)}
    write("kinds", state, readable)
    write("protocol-5", state, pickle_protocol=5)  # the same numbers
    write("new-types", {kind: torch.zeros(2, 3, dtype=getattr(torch, kind))
                        for kind in ["uint16", "uint32", "uint64", "complex64", "float8_e4m3fn", "float8_e5m2"]})
    write("sparse", {"w": values.to_sparse()})
    write("quantised", {"w": torch.quantize_per_tensor(values, 0.1, 0, torch.quint8)})
    write("nested", {"w": torch.nested.nested_tensor([values, values[:2]])})
    write("meta", {"w": torch.empty(3, device="meta")})
    write("negated", {"w": values._neg_view()})
    write("module", torch.nn.Linear(2, 2))
    packed = io.BytesIO()
    torch.save({"w": values}, packed)
    with zipfile.ZipFile(packed) as source, zipfile.ZipFile(HERE / "compressed.bin", "w", zipfile.ZIP_DEFLATED) as target:
        for info in source.infolist():
            target.writestr(zipfile.ZipInfo(info.filename, (1980, 1, 1, 0, 0, 0)), source.read(info), zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main()
