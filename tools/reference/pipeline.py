"""Whole-pipeline cases: `TextToVideoSDPipeline` from given noise to frames, with the state of every step."""

import contextlib
import json
import os
import random
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, TextToVideoSDPipeline, UNet3DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

from . import scheduler as schedulers
from .cases import CaseFolder, relative_l2, seeded, write_json
from .clip_text import PREFIX
from .nasty_strings import WORDS
from .tokenizer import CORPUS, learn_merges, write_vocabulary
from .weights import randomise

BAR = 1e-3
SCHEDULER_NAMES = {"ddim": "DDIMScheduler", "dpm": "DPMSolverMultistepScheduler", "euler": "EulerDiscreteScheduler"}


@dataclass
class Request:
    """What is asked of a pipeline. Sizes in pixels."""

    prompt: str
    negative_prompt: str
    steps: int
    guidance: float
    frames: int
    height: int
    width: int


def random_case(index: int, seed: int) -> tuple[dict, Request]:
    """Settings of a tiny model folder, and a request for it."""
    rng = random.Random(f"pipeline-{seed}-{index}")
    name = list(SCHEDULER_NAMES)[index % 3]
    pool = [c for c in schedulers.combinations(SCHEDULER_NAMES[name])
            if not c["rescale_betas_zero_snr"] and not c.get("clip_sample") and c["steps"] in (10, 25)]
    settings = {
        "scheduler": name,
        "scheduler_settings": rng.choice(pool),
        "channels": [rng.choice([8, 16]) for _ in range(rng.randint(2, 3))],
        "head_dim": rng.choice([4, 8]),
        "text_width": rng.choice([8, 16]),
        "hidden_act": rng.choice(["gelu", "quick_gelu"]),
        "vae_channels": [4, 8, 8, 8],
        "stored_as": rng.choice(["f32", "f16"]),
    }
    request = Request(
        prompt=rng.choice(WORDS), negative_prompt=rng.choice(["", "", "blurry, low quality"]),
        steps=settings["scheduler_settings"]["steps"], guidance=rng.choice([1.0, 4.0, 7.5]),
        frames=rng.choice([1, 2, 5, 8]), height=8 * rng.randint(2, 5), width=8 * rng.randint(2, 5),
    )
    return settings, request


def write_model(folder: Path, settings: dict, generator: torch.Generator) -> None:
    """A whole diffusers folder with random weights."""
    folder.mkdir()
    dtype = {"f32": torch.float32, "f16": torch.float16}[settings["stored_as"]]
    write_vocabulary(folder / "tokenizer", learn_merges(CORPUS, 60), pad_token="<|endoftext|>")
    vocabulary = len(json.loads((folder / "tokenizer" / "vocab.json").read_text(encoding="utf-8")))
    text_config = {
        "vocab_size": vocabulary, "hidden_size": settings["text_width"], "intermediate_size": 2 * settings["text_width"],
        "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 77, "layer_norm_eps": 1e-5,
        "hidden_act": settings["hidden_act"], "bos_token_id": vocabulary - 2, "eos_token_id": vocabulary - 1,
        "pad_token_id": vocabulary - 1,
    }
    levels = len(settings["channels"])
    unet = UNet3DConditionModel(
        sample_size=4, block_out_channels=settings["channels"], layers_per_block=1, norm_num_groups=2,
        attention_head_dim=settings["head_dim"], cross_attention_dim=settings["text_width"],
        down_block_types=["CrossAttnDownBlock3D"] * (levels - 1) + ["DownBlock3D"],
        up_block_types=["UpBlock3D"] + ["CrossAttnUpBlock3D"] * (levels - 1))
    vae_levels = len(settings["vae_channels"])
    vae = AutoencoderKL(
        block_out_channels=settings["vae_channels"], norm_num_groups=2, layers_per_block=1, sample_size=32,
        down_block_types=["DownEncoderBlock2D"] * vae_levels, up_block_types=["UpDecoderBlock2D"] * vae_levels)
    text = CLIPTextModel(CLIPTextConfig(**text_config))
    for model in (unet, vae, text):
        randomise(model, generator)

    config = {"architectures": ["CLIPTextModel"], "model_type": "clip_text_model", **text_config}
    parts = [("unet", json.loads(unet.to_json_string()), unet.state_dict(), "diffusion_pytorch_model.safetensors"),
             ("vae", json.loads(vae.to_json_string()), vae.state_dict(), "diffusion_pytorch_model.safetensors"),
             ("text_encoder", config, {PREFIX + k: v for k, v in text.state_dict().items()}, "model.safetensors")]
    for name, part_config, tensors, file in parts:
        (folder / name).mkdir()
        write_json(folder / name / "config.json", part_config)
        save_file({key: value.to(dtype).contiguous() for key, value in tensors.items()}, folder / name / file,
                  metadata={"format": "pt"})
    (folder / "scheduler").mkdir()
    class_name = SCHEDULER_NAMES[settings["scheduler"]]
    scheduler = schedulers.build(class_name, settings["scheduler_settings"])
    write_json(folder / "scheduler" / "scheduler_config.json", json.loads(scheduler.to_json_string()))
    write_json(folder / "model_index.json", {
        "_class_name": "TextToVideoSDPipeline", "_diffusers_version": json.loads(unet.to_json_string())["_diffusers_version"],
        "scheduler": ["diffusers", class_name], "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"], "unet": ["diffusers", "UNet3DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    })


def load(folder: Path, dtype: torch.dtype, scheduler: str | None = None) -> TextToVideoSDPipeline:
    pipe = TextToVideoSDPipeline.from_pretrained(folder, dtype=dtype, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    if scheduler is not None:
        module = schedulers.CLASSES[SCHEDULER_NAMES[scheduler]]
        pipe.scheduler = getattr(module, SCHEDULER_NAMES[scheduler]).from_config(pipe.scheduler.config)
    return pipe


@contextlib.contextmanager
def recorded(pipe: TextToVideoSDPipeline, kept: dict):
    """Keeps what the network returned at each evaluation, split into its halves."""
    def hook(_module, _inputs, output):
        index = sum(key.startswith("cond_") for key in kept)
        halves = output[0].chunk(2) if output[0].shape[0] == 2 else (None, output[0])
        kept[f"cond_{index}"] = halves[1].clone()
        if halves[0] is not None:
            kept[f"uncond_{index}"] = halves[0].clone()

    handle = pipe.unet.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@torch.no_grad()
def run(pipe: TextToVideoSDPipeline, request: Request, noise: torch.Tensor) -> dict[str, torch.Tensor]:
    """Everything from token ids to frames, named as the engine's `--trace` file names it."""
    kept: dict[str, torch.Tensor] = {"noise": noise}
    for name, text in (("cond", request.prompt), ("uncond", request.negative_prompt)):
        ids = pipe.tokenizer(text, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
        kept[f"ids_{name}"] = ids
        kept[f"text_{name}"] = pipe.text_encoder(ids)[0]

    def after_step(index, _timestep, latents):
        kept[f"x_{index + 1}"] = latents.clone()

    with recorded(pipe, kept):
        latents = pipe(
            request.prompt, negative_prompt=request.negative_prompt, num_frames=request.frames, height=request.height,
            width=request.width, num_inference_steps=request.steps, guidance_scale=request.guidance,
            latents=noise.to(pipe.unet.dtype), output_type="latent", callback=after_step).frames
    # The pipeline scales given noise by what the scheduler starts from; set_timesteps has been called by now.
    kept["x_0"] = noise * pipe.scheduler.init_noise_sigma
    kept["latents"] = latents
    kept["decoded"] = pipe.decode_latents(latents)
    images = pipe.video_processor.postprocess_video(kept["decoded"], output_type="np")[0]
    kept["frames"] = torch.from_numpy((images * 255).round().astype("uint8"))
    kept["timesteps"] = pipe.scheduler.timesteps.double()
    return kept


class IllConditioned(RuntimeError):
    """A random network that amplifies rounding too much to judge anybody."""


def write_case(parent: Path, name: str, request: Request, seed: int, settings: dict | None = None,
               model: Path | None = None, scheduler: str | None = None, attempts: int = 8) -> Path:
    """Random model with `settings`, or the given `model` folder (linked, not copied) with an optional scheduler.

    A random network can amplify rounding from step to step; such a draw cannot judge a port and is redrawn.
    """
    subject = f"random model {settings}" if model is None else f"{model.name} with {scheduler or 'its own'} scheduler"
    for attempt in range(attempts):
        try:
            with CaseFolder(parent, "pipeline", name, seed, f"{subject}; {request}", BAR) as folder:
                error = write_golden(folder, request, seeded(seed * 1000 + attempt), settings, model, scheduler)
                folder.info.update(vars(request), reference_error=error, scheduler=scheduler)
                if error > BAR / 10 and model is None:
                    raise IllConditioned(f"{name}: float32 is {error:.1e} from float64 after {request.steps} steps")
            return folder.destination
        except IllConditioned as failure:
            last = failure
    raise last


def write_golden(folder: CaseFolder, request: Request, generator: torch.Generator, settings: dict | None,
                 model: Path | None, scheduler: str | None) -> float:
    """Fills the case; returns how far the float32 latents are from those of a float64 network."""
    target = folder.path / "model"
    if model is None:
        write_model(target, settings, generator)
    else:
        os.symlink(model.resolve(), target)
    pipe = load(target, torch.float32, scheduler)
    factor = pipe.vae_scale_factor
    shape = (1, pipe.unet.config.in_channels, request.frames, request.height // factor, request.width // factor)
    noise = torch.randn(shape, generator=generator)
    golden = run(pipe, request, noise)
    folder.golden(golden)
    # Euler and DPM-Solver keep their state in float32 even so; the network's own rounding is what this shows.
    precise = run(load(target, torch.float64, scheduler), request, noise.double())
    return relative_l2(golden["latents"], precise["latents"])
