"""CLIP text encoder cases (transformers `CLIPTextModel`), stored under the key names of published checkpoints."""

import random
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from .cases import CaseFolder, relative_l2, seeded
from .unet import WORST_REFERENCE_ERROR, keep
from .weights import inert_parameters, randomise

BAR = 1e-4
PREFIX = "text_model."


@dataclass
class ClipTextCase:
    """`layout` says how the file names its tensors.

    `published`: `text_model.` in front, as all published checkpoints; `bare`: no prefix, as transformers 5 saves;
    `position_ids`: published, with the integer buffer that old checkpoints carry; `projection`: published, with the
    `text_projection.weight` of a model that was saved with its head.
    """

    config: dict
    batch: int
    length: int
    layout: str = "published"
    description: str = ""


def random_case(index: int, seed: int) -> ClipTextCase:
    rng = random.Random(f"clip-{seed}-{index}")
    heads = rng.choice([1, 2, 3, 4, 8])
    vocab = rng.randint(40, 300)
    eos_is_two = index % 4 == 3
    config = {
        "vocab_size": vocab,
        "hidden_size": heads * rng.choice([4, 8, 16]),
        "intermediate_size": rng.choice([24, 64, 100]),
        "num_hidden_layers": rng.randint(1, 4),
        "num_attention_heads": heads,
        "max_position_embeddings": 77,
        "hidden_act": ["quick_gelu", "gelu"][index % 2],
        "layer_norm_eps": rng.choice([1e-5, 1e-5, 1e-6]),
        "bos_token_id": 0 if eos_is_two else vocab - 2,
        "eos_token_id": 2 if eos_is_two else vocab - 1,
        "pad_token_id": 1 if eos_is_two else vocab - 1,
        "projection_dim": rng.choice([8, 20]),
    }
    layout = ["published", "bare", "position_ids", "projection"][(index // 2) % 4]
    case = ClipTextCase(config, rng.choice([1, 2, 3]), rng.choice([77, 77, 40, 9]), layout)
    if index % 3 == 2:
        del case.config["projection_dim"]
    case.description = describe(case)
    return case


def describe(case: ClipTextCase) -> str:
    config = case.config
    return (f"width {config['hidden_size']}, {config['num_hidden_layers']} layers, {config['num_attention_heads']} heads, "
            f"{config['hidden_act']}, {case.batch} x {case.length} tokens, layout {case.layout}, "
            f"end-of-text id {config['eos_token_id']}, projection_dim {config.get('projection_dim', 'absent')}")


def token_ids(case: ClipTextCase, generator: torch.Generator) -> torch.Tensor:
    """Rows as a tokenizer makes them: start, words, end, padding; of different lengths."""
    config = case.config
    low, high = (3, config["vocab_size"] - 1) if config["eos_token_id"] == 2 else (0, config["vocab_size"] - 2)
    rows = torch.randint(low, high, (case.batch, case.length), generator=generator)
    for row, words in zip(rows, torch.randint(1, max(2, case.length - 1), (case.batch,), generator=generator).tolist()):
        row[0] = config["bos_token_id"]
        end = min(words, case.length - 1)
        row[end:] = config["pad_token_id"]
        row[end] = config["eos_token_id"]
        if config["eos_token_id"] == 2:
            # That config means: the end-of-text id is the largest of the vocabulary, 2 is a mistake of old files.
            row[end] = config["vocab_size"] - 1
    return rows


def write_case(parent: Path, name: str, case: ClipTextCase, seed: int) -> Path:
    generator = seeded(seed * 1000)
    full_config = CLIPTextConfig(**case.config)
    with_head = case.layout == "projection"
    model = (CLIPTextModelWithProjection if with_head else CLIPTextModel)(full_config).eval()
    randomise(model, generator)
    text = model.text_model if with_head else model
    golden, error = run(model, text, token_ids(case, generator))
    if error > WORST_REFERENCE_ERROR:
        raise RuntimeError(f"{name}: float32 is {error:.1e} from float64")
    out = text(golden["input_ids"]).last_hidden_state
    inert = [p for p in inert_parameters(text, out, generator) if not p.endswith("k_proj.bias")]
    if inert and case.length > 1:
        raise RuntimeError(f"{name}: these weights do not influence the output: {inert}")

    with CaseFolder(parent, "clip_text", name, seed, case.description, BAR) as folder:
        architecture = "CLIPTextModelWithProjection" if with_head else "CLIPTextModel"
        config = {"architectures": [architecture], "model_type": "clip_text_model", **case.config}
        folder.component("text_encoder", config, stored_tensors(model, case), "model.safetensors")
        folder.golden(golden)
        folder.info["reference_error"] = error
        folder.info["layout"] = case.layout
    return folder.destination


def stored_tensors(model: torch.nn.Module, case: ClipTextCase) -> dict[str, torch.Tensor]:
    tensors = dict(model.state_dict())
    if case.layout in ("published", "position_ids"):
        tensors = {PREFIX + key: value for key, value in tensors.items()}
    if case.layout == "position_ids":
        tensors[PREFIX + "embeddings.position_ids"] = torch.arange(77)[None]
    return tensors


def run(model, text: CLIPTextModel, input_ids: torch.Tensor) -> tuple[dict[str, torch.Tensor], float]:
    stages: dict[str, torch.Tensor] = {}
    named = [("embeddings", text.embeddings)]
    named += [(f"layers.{i}", layer) for i, layer in enumerate(text.encoder.layers)]
    handles = [module.register_forward_hook(keep(stages, name)) for name, module in named]
    with torch.no_grad():
        out = text(input_ids)
        for handle in handles:
            handle.remove()
        extra = {"text_embeds": model(input_ids).text_embeds} if model is not text else {}
        model.double()
        out_f64 = text(input_ids).last_hidden_state
        model.float()
    golden = {
        "input_ids": input_ids, **stages, **extra, "last_hidden_state": out.last_hidden_state,
        "pooler_output": out.pooler_output, "last_hidden_state_f64": out_f64,
    }
    return golden, relative_l2(out.last_hidden_state, out_f64)
