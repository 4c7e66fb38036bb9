"""Case folders: the unit that the Rust checker reads. One folder per case, written whole or not at all."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import diffusers
import torch
import transformers
from safetensors.torch import save_file

FORMAT_VERSION = 1


class CaseFolder:
    """Collects one case in a hidden folder beside its destination, which takes its place when the block ends.

    An interrupted or failed run therefore leaves no folder that looks complete.
    """

    def __init__(self, parent: Path, kind: str, name: str, seed: int, description: str, bar: float):
        parent.mkdir(parents=True, exist_ok=True)
        self.destination = parent / name
        self.path = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=parent))
        os.chmod(self.path, 0o755)
        self.info = {
            "format": FORMAT_VERSION,
            "kind": kind,
            "name": name,
            "seed": seed,
            "description": description,
            "metric": "relative_l2",
            "bar": bar,
            "made_with": {
                "torch": torch.__version__.split("+")[0],
                "diffusers": diffusers.__version__,
                "transformers": transformers.__version__,
            },
        }

    def __enter__(self) -> "CaseFolder":
        return self

    def __exit__(self, failure, *_details) -> None:
        if failure is None:
            self.finish()
        else:
            self.discard()

    def component(self, name: str, config: dict, tensors: dict[str, torch.Tensor], weights_file: str) -> Path:
        """Writes `name/config.json` and the weights in the standard diffusers layout; returns the folder."""
        folder = self.path / name
        folder.mkdir()
        write_json(folder / "config.json", config)
        save_file({key: value.detach().contiguous() for key, value in tensors.items()}, folder / weights_file,
                  metadata={"format": "pt"})
        return folder

    def golden(self, tensors: dict[str, torch.Tensor]) -> None:
        """Writes `golden.safetensors`. Every tensor must be finite: a golden NaN would check nothing."""
        packed = {}
        for key, value in tensors.items():
            value = value.detach().contiguous()
            if value.is_floating_point() and not torch.isfinite(value).all():
                raise ValueError(f"{self.info['name']}: golden tensor {key} is not finite")
            # Two names may share storage (an output that is also a stage); safetensors refuses that.
            packed[key] = value.clone()
        save_file(packed, self.path / "golden.safetensors")

    def finish(self) -> None:
        write_json(self.path / "case.json", self.info)
        for file in self.path.rglob("*.safetensors"):
            file.chmod(0o644)  # safetensors writes them for the owner only
        if self.destination.exists():
            shutil.rmtree(self.destination)
        os.replace(self.path, self.destination)

    def discard(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def write_json(path: Path, value) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def relative_l2(found: torch.Tensor, expected: torch.Tensor) -> float:
    """|found - expected| / |expected| in float64."""
    expected = expected.double()
    return ((found.double() - expected).norm() / expected.norm()).item()




def seeded(seed: int) -> torch.Generator:
    return torch.Generator(device="cpu").manual_seed(seed)
