"""Reads cases back through the libraries' own loaders and compares with the goldens.

It shows that a case on disk is in the standard layout and complete: what the engine is asked to load, diffusers loads.
"""

import json
from pathlib import Path

import diffusers
import torch
from diffusers import AutoencoderKL, UNet3DConditionModel
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTokenizer

from . import pickles, pipeline
from .cases import relative_l2

TOLERANCE = 1e-5
"""Weights that a loader maps lie at other addresses, and other kernels may be chosen for them."""


def verify(case: Path) -> float:
    """The largest relative L2 difference of the case's outputs; 0 for tokenizers, which must be identical."""
    info = json.loads((case / "case.json").read_text(encoding="utf-8"))
    with torch.no_grad():
        return KINDS[info["kind"]](case, info)


def verify_below(folders: list[Path]) -> bool:
    """Verifies every case below the folders and prints those that differ; true if all agree."""
    cases = sorted(file.parent for folder in folders for file in folder.rglob("case.json"))
    failures = 0
    for case in cases:
        error = verify(case)
        if not error <= TOLERANCE:
            failures += 1
            print(f"{case}: differs by {error:.1e}")
    print(f"{len(cases)} cases, {failures} differ by more than {TOLERANCE:g}")
    return bool(cases) and failures == 0


def verify_unet(case: Path, _info: dict) -> float:
    model = UNet3DConditionModel.from_pretrained(case, subfolder="unet", local_files_only=True).eval()
    golden = load_file(case / "golden.safetensors")
    out = model(golden["sample"], golden["timestep"], golden["encoder_hidden_states"]).sample
    return relative_l2(out, golden["out"])


def verify_vae(case: Path, _info: dict) -> float:
    model = AutoencoderKL.from_pretrained(case, subfolder="vae", local_files_only=True).eval()
    golden = load_file(case / "golden.safetensors")
    return max(relative_l2(model.encode(golden["image"]).latent_dist.mean, golden["encoded_mean"]),
               relative_l2(model.decode(golden["latent"]).sample, golden["decoded"]))


def verify_clip_text(case: Path, _info: dict) -> float:
    model = CLIPTextModel.from_pretrained(case / "text_encoder", local_files_only=True).eval()
    golden = load_file(case / "golden.safetensors")
    out = model(golden["input_ids"])
    return max(relative_l2(out.last_hidden_state, golden["last_hidden_state"]),
               relative_l2(out.pooler_output, golden["pooler_output"]))


def verify_scheduler(case: Path, info: dict) -> float:
    config = json.loads((case / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8"))
    scheduler = getattr(diffusers, config["_class_name"]).from_pretrained(case, subfolder="scheduler", local_files_only=True)
    scheduler.set_timesteps(info["steps"])
    golden = load_file(case / "golden.safetensors")
    worst = relative_l2(scheduler.timesteps, golden["timesteps"]) if golden["timesteps"].any() else 0.0
    sample = golden["initial_noise"] * scheduler.init_noise_sigma
    for index, timestep in enumerate(scheduler.timesteps):
        worst = max(worst, relative_l2(sample, golden["samples"][index]))
        worst = max(worst, relative_l2(scheduler.scale_model_input(sample, timestep), golden["scaled_inputs"][index]))
        sample = scheduler.step(golden["model_outputs"][index], timestep, sample).prev_sample
        worst = max(worst, relative_l2(sample, golden["prev_samples"][index]))
    return worst


def verify_tokenizer(case: Path, _info: dict) -> float:
    tokenizer = CLIPTokenizer.from_pretrained(case / "tokenizer", local_files_only=True)
    golden = json.loads((case / "golden.json").read_text(encoding="utf-8"))
    for entry in golden["entries"]:
        text = entry["text"] if "text" in entry else entry["repeat"][0] * entry["repeat"][1]
        expected = entry["ids"] + [golden["pad_id"]] * (golden["max_length"] - len(entry["ids"]))
        found = tokenizer(text, padding="max_length", max_length=golden["max_length"], truncation=True).input_ids
        if found != expected:
            raise ValueError(f"{case.name}: {text[:60]!r}: {found} instead of {expected}")
    return 0.0


def verify_pipeline(case: Path, info: dict) -> float:
    golden = load_file(case / "golden.safetensors")
    request = pipeline.Request(**{key: info[key] for key in pipeline.Request.__dataclass_fields__})
    pipe = pipeline.load(case / "model", torch.float32, info["scheduler"])
    found = pipeline.run(pipe, request, golden["noise"])
    return max(relative_l2(found[key], golden[key]) for key in ("text_cond", "latents", "decoded"))


KINDS = {
    "unet": verify_unet, "vae": verify_vae, "clip_text": verify_clip_text, "scheduler": verify_scheduler,
    "tokenizer": verify_tokenizer, "pipeline": verify_pipeline, "pickle": pickles.verify,
}
