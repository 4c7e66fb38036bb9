"""The PyTorch side of the benchmark table: diffusers on the CPU or a GPU, as fast as its documentation says it goes.

    python tools/bench/pytorch_bench.py clip --model assets/models/starter --steps 25 --guidance 5 --threads 2
    python tools/bench/pytorch_bench.py unet --model target/zeroscope --frames 8 --height 256 --width 256 --threads 2

`clip` times whole clips, `unet` single evaluations of the network with guidance (a batch of two). Each variant (plain,
channels-last) runs in a process of its own, so that peaks of memory do not mix; the faster one is the result. The last
line of output is one JSON object. Needs the packages of tools/reference/requirements.txt.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

VARIANTS = ("default", "channels_last")


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    clip = commands.add_parser("clip", help="seconds per clip of a whole pipeline folder")
    clip.add_argument("--prompt", default="a red circle moving right on a white background")
    clip.add_argument("--steps", type=int, default=25)
    clip.add_argument("--guidance", type=float, default=5.0)
    unet = commands.add_parser("unet", help="seconds per evaluation of the UNet of a pipeline folder")
    unet.add_argument("--batch", type=int, default=2, help="2 is what guidance needs (default %(default)s)")
    for sub, frames, side in ((clip, 16, 64), (unet, 8, 256)):
        sub.add_argument("--model", type=Path, required=True, help="diffusers folder")
        sub.add_argument("--frames", type=int, default=frames, help="frames (default %(default)s)")
        sub.add_argument("--height", type=int, default=side, help="pixels (default %(default)s)")
        sub.add_argument("--width", type=int, default=side, help="pixels (default %(default)s)")
        sub.add_argument("--threads", type=int, default=os.cpu_count(), help="compute threads (default %(default)s)")
        sub.add_argument("--repeat", type=int, default=3, help="timed runs after one warm-up (default %(default)s)")
        sub.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default %(default)s)")
        sub.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="float32",
                         help="what is computed in, whatever the files hold (default %(default)s)")
        sub.add_argument("--variant", choices=VARIANTS, help="run only this one, in this process")
        sub.add_argument("--out", type=Path, help="also write the JSON there")
    args = parser.parse_args(argv)
    if min(args.frames, args.height, args.width, args.threads, args.repeat) < 1:
        parser.error("frames, height, width, threads and repeat must be at least 1")
    if not (args.model / "model_index.json").is_file():
        parser.error(f"{args.model} is not a diffusers folder: it has no model_index.json")
    return args


def peak_bytes() -> int:
    """The most memory this process ever held (resident)."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def run_variant(args: argparse.Namespace) -> dict:
    """Loads, warms up, times; in this process."""
    import diffusers
    import torch
    import transformers

    diffusers.logging.set_verbosity_error()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    diffusers.utils.logging.disable_progress_bar()
    torch.set_num_threads(args.threads)
    dtype = getattr(torch, args.dtype)
    # The libraries import their classes on first use; what they cost is told apart from what the model costs.
    _classes = (diffusers.TextToVideoSDPipeline, diffusers.UNet3DConditionModel, diffusers.AutoencoderKL,
                transformers.CLIPTextModel, transformers.CLIPTokenizer)
    libraries_bytes = peak_bytes()
    started = time.perf_counter()
    prepare = prepare_clip if args.command == "clip" else prepare_unet
    with torch.inference_mode():
        once = prepare(args, torch, diffusers, dtype)
        load_seconds = time.perf_counter() - started
        once(warm_up=True)
        synchronize(args, torch)
        seconds = []
        for _ in range(args.repeat):
            started = time.perf_counter()
            once(warm_up=False)
            synchronize(args, torch)
            seconds.append(time.perf_counter() - started)
    return {
        "variant": args.variant, "seconds": seconds, "seconds_median": statistics.median(seconds),
        "seconds_min": min(seconds), "load_seconds": load_seconds, "peak_memory_bytes": peak_bytes(),
        "libraries_memory_bytes": libraries_bytes,
        "peak_vram_bytes": torch.cuda.max_memory_allocated() if args.device.startswith("cuda") else None,
        "versions": {"torch": torch.__version__, "diffusers": diffusers.__version__, "transformers": transformers.__version__},
    }


def synchronize(args: argparse.Namespace, torch) -> None:
    """A GPU works on after a call returns."""
    if args.device.startswith("cuda"):
        torch.cuda.synchronize()


def lay_out(args: argparse.Namespace, torch, model) -> None:
    """Channels-last weights for the convolutions over pixels; those over frames have no such layout."""
    if args.variant == "channels_last":
        for module in model.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.to(memory_format=torch.channels_last)


def check_attention(unet) -> None:
    """The fused attention of PyTorch must be in use, or the comparison would be unfair."""
    used = {type(processor).__name__ for processor in unet.attn_processors.values()}
    if used != {"AttnProcessor2_0"}:
        raise RuntimeError(f"attention runs on {used} instead of scaled_dot_product_attention")


def prepare_clip(args, torch, diffusers, dtype):
    pipe = diffusers.TextToVideoSDPipeline.from_pretrained(args.model, dtype=dtype, local_files_only=True)
    pipe.to(args.device)
    pipe.set_progress_bar_config(disable=True)
    check_attention(pipe.unet)
    lay_out(args, torch, pipe.unet)
    lay_out(args, torch, pipe.vae)

    def once(warm_up: bool) -> None:
        pipe(args.prompt, num_frames=args.frames, height=args.height, width=args.width, guidance_scale=args.guidance,
             num_inference_steps=min(2, args.steps) if warm_up else args.steps,
             generator=torch.Generator().manual_seed(0), output_type="np")

    return once


def prepare_unet(args, torch, diffusers, dtype):
    unet = diffusers.UNet3DConditionModel.from_pretrained(
        args.model, subfolder="unet", dtype=dtype, local_files_only=True).eval().to(args.device)
    check_attention(unet)
    lay_out(args, torch, unet)
    levels = len(json.loads((args.model / "vae" / "config.json").read_text())["block_out_channels"])
    factor = 2 ** (levels - 1)
    generator = torch.Generator().manual_seed(0)
    shape = (args.batch, unet.config.in_channels, args.frames, args.height // factor, args.width // factor)
    sample = torch.randn(shape, generator=generator).to(args.device, dtype)
    text = torch.randn((args.batch, 77, unet.config.cross_attention_dim), generator=generator).to(args.device, dtype)

    def once(warm_up: bool) -> None:
        out = unet(sample, 500, encoder_hidden_states=text).sample
        if warm_up and not torch.isfinite(out).all():
            raise RuntimeError("the network's output is not finite")

    return once


def run_all(args: argparse.Namespace, argv: list[str]) -> dict:
    """One child process per variant; the faster is the result, both are reported."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(args.threads), "MKL_NUM_THREADS": str(args.threads),
                   "HF_HUB_OFFLINE": "1"}
    results = []
    for variant in VARIANTS:
        command = [sys.executable, os.path.abspath(__file__), *argv, "--variant", variant]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(f"the {variant} run failed with exit code {done.returncode}")
        results.append(json.loads(done.stdout.strip().splitlines()[-1]))
    best = min(results, key=lambda result: result["seconds_median"])
    request = {key: value for key, value in vars(args).items() if key not in ("variant", "out", "model")}
    return {
        "implementation": "pytorch", "model": args.model.name, **request, "best": best["variant"],
        "seconds_median": best["seconds_median"], "seconds_min": best["seconds_min"],
        "peak_memory_bytes": best["peak_memory_bytes"], "libraries_memory_bytes": best["libraries_memory_bytes"],
        "peak_vram_bytes": best["peak_vram_bytes"], "load_seconds": best["load_seconds"], "versions": best["versions"],
        "machine": {"system": platform.platform(), "cpus": os.cpu_count()}, "variants": results,
    }


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    args = parse(argv)
    result = run_variant(args) if args.variant else run_all(args, argv)
    text = json.dumps(result)
    if args.out is not None and not args.variant:
        partial = args.out.with_name(f".{args.out.name}.partial")
        partial.write_text(text + "\n", encoding="utf-8")
        os.replace(partial, args.out)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
