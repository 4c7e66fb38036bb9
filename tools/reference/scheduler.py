"""Scheduler cases: timesteps, sigmas and every step of DDIM, DPM-Solver++ (2M) and Euler.

Each step's input, model output and result are stored, so that a port is judged step by step, from the same input.
The results come twice: as diffusers gives them (float32 arithmetic on scalars) and from the same source code run in
float64 on diffusers' own float32 table of cumulated alphas (`prev_samples_f64`), which is what a port with float64
coefficients should give.
"""

import contextlib
import itertools
import json
import random
from pathlib import Path

import numpy
import torch
from diffusers.schedulers import (
    scheduling_ddim,
    scheduling_dpmsolver_multistep,
    scheduling_euler_discrete,
)

from .cases import CaseFolder, relative_l2, seeded, write_json

BAR = 1e-6
STEP_COUNTS = (1, 2, 10, 25, 50)
ELEMENTS = 8

CLASSES = {
    "DDIMScheduler": scheduling_ddim,
    "DPMSolverMultistepScheduler": scheduling_dpmsolver_multistep,
    "EulerDiscreteScheduler": scheduling_euler_discrete,
}
# Per class: the settings that are combined with those of all classes.
OWN = {
    "DDIMScheduler": {
        "set_alpha_to_one": [True, False],
        "clip_sample": [False, True],
    },
    "DPMSolverMultistepScheduler": {
        "solver_order": [2, 1],
        "solver_type": ["midpoint", "heun"],
        "lower_order_final": [True, False],
        "final_sigmas_type": ["zero", "sigma_min"],
        "euler_at_final": [False, True],
    },
    "EulerDiscreteScheduler": {
        "final_sigmas_type": ["zero", "sigma_min"],
    },
}
COMMON = {
    "prediction_type": ["epsilon", "v_prediction"],
    "beta_schedule": ["scaled_linear", "linear"],
    "timestep_spacing": ["leading", "trailing", "linspace"],
    "steps_offset": [1, 0],
    "rescale_betas_zero_snr": [False, True],
}
BETAS = {"scaled_linear": (0.00085, 0.012), "linear": (0.0001, 0.02)}


def combinations(class_name: str) -> list[dict]:
    """Every meaningful combination of settings and step counts for a class."""
    axes = {**COMMON, **OWN[class_name]}
    result = []
    for values in itertools.product(*axes.values(), STEP_COUNTS):
        config = dict(zip(axes, values))
        config["steps"] = values[-1]
        if meaningful(class_name, config):
            result.append(config)
    return result


def meaningful(class_name: str, config: dict) -> bool:
    # With no signal left at the first step, noise prediction divides by zero; steps_offset acts on leading only.
    if config["rescale_betas_zero_snr"] and config["prediction_type"] == "epsilon" and class_name == "DDIMScheduler":
        return False
    if config["steps_offset"] and config["timestep_spacing"] != "leading":
        return False
    return not (config.get("solver_order") == 1 and config["solver_type"] == "heun")


def random_cases(count: int, seed: int) -> list[tuple[str, dict]]:
    """`count` combinations, a third of each class, without repetition within a class."""
    rng = random.Random(f"scheduler-{seed}")
    shares = [count // 3 + (i < count % 3) for i in range(3)]
    chosen = []
    for class_name, share in zip(CLASSES, shares):
        pool = combinations(class_name)
        chosen += [(class_name, config) for config in rng.sample(pool, min(share, len(pool)))]
    return chosen


class _Namespace:
    """A module whose named attributes are replaced and everything else passed on."""

    def __init__(self, module, **replaced):
        self.__dict__.update(replaced, _module=module)

    def __getattr__(self, name):
        return getattr(self._module, name)


@contextlib.contextmanager
def in_float64(module):
    """Runs a scheduler's own source in float64: the module's `torch.float32` and `np.float32` mean float64 here."""
    module.torch = _Namespace(torch, float32=torch.float64)
    module.np = _Namespace(numpy, float32=numpy.float64)
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        module.torch, module.np = torch, numpy
        torch.set_default_dtype(torch.float32)


def build(class_name: str, config: dict):
    start, end = BETAS[config["beta_schedule"]]
    settings = {key: value for key, value in config.items() if key != "steps"}
    return getattr(CLASSES[class_name], class_name)(beta_start=start, beta_end=end, **settings)


def golden(class_name: str, config: dict, generator: torch.Generator) -> tuple[dict[str, torch.Tensor], float, object]:
    scheduler = build(class_name, config)
    scheduler.set_timesteps(config["steps"])
    count = len(scheduler.timesteps)
    clean = torch.randn(ELEMENTS, generator=generator)
    disturbance = torch.randn((count, ELEMENTS), generator=generator)
    initial_noise = torch.randn(ELEMENTS, generator=generator)
    sample = initial_noise * scheduler.init_noise_sigma

    rows: dict[str, list[torch.Tensor]] = {"samples": [], "scaled_inputs": [], "model_outputs": [], "prev_samples": []}
    for index, timestep in enumerate(scheduler.timesteps):
        scaled = scheduler.scale_model_input(sample, timestep)
        output = model_output(scheduler, timestep, scaled, clean, disturbance[index])
        rows["samples"].append(sample)
        rows["scaled_inputs"].append(scaled)
        rows["model_outputs"].append(output)
        sample = scheduler.step(output, timestep, sample).prev_sample
        rows["prev_samples"].append(sample)
    tensors = {name: torch.stack(values) for name, values in rows.items()}

    tensors["prev_samples_f64"] = steps_in_float64(class_name, config, scheduler, tensors)
    error = max(relative_l2(found, expected)
                for found, expected in zip(tensors["prev_samples"], tensors["prev_samples_f64"]))
    tensors["initial_noise"] = initial_noise
    tensors["timesteps"] = scheduler.timesteps.double()
    tensors["init_noise_sigma"] = torch.tensor([float(scheduler.init_noise_sigma)], dtype=torch.float64)
    if class_name != "DDIMScheduler":
        tensors["sigmas"] = scheduler.sigmas.float()
    # Enough of the table to tell a wrong schedule from a wrong step: the ends, and every 37th between.
    tensors["alphas_cumprod_at"] = torch.tensor(sorted({*range(0, 1000, 37), 1, 998, 999}))
    tensors["alphas_cumprod"] = scheduler.alphas_cumprod[tensors["alphas_cumprod_at"]]
    return tensors, error, scheduler


def model_output(scheduler, timestep, scaled, clean, disturbance) -> torch.Tensor:
    """A denoiser that knows the clean sample up to a disturbance, so that trajectories stay of order one."""
    alpha = scheduler.alphas_cumprod[int(round(float(timestep)))].clamp(1e-4, 1 - 1e-4)
    noise = (scaled - alpha.sqrt() * clean) / (1 - alpha).sqrt() + 0.3 * disturbance
    if scheduler.config.prediction_type == "epsilon":
        return noise
    return alpha.sqrt() * noise - (1 - alpha).sqrt() * clean


def steps_in_float64(class_name: str, config: dict, reference, tensors: dict) -> torch.Tensor:
    """The same steps from the same inputs, in float64 on the float32 alphas that diffusers uses."""
    module = CLASSES[class_name]
    with in_float64(module):
        scheduler = build(class_name, config)
        scheduler.alphas_cumprod = reference.alphas_cumprod.double()
        if class_name == "DDIMScheduler":
            scheduler.final_alpha_cumprod = torch.as_tensor(reference.final_alpha_cumprod).double()
        scheduler.set_timesteps(config["steps"])
        if not torch.equal(scheduler.timesteps.double(), reference.timesteps.double()):
            # Fractional timesteps differ in the last bits only; the step reads sigmas, which follow from them.
            scheduler.timesteps = reference.timesteps.double()
        result = []
        for index, timestep in enumerate(scheduler.timesteps):
            sample = tensors["samples"][index].double()
            scheduler.scale_model_input(sample, timestep)
            output = tensors["model_outputs"][index].double()
            result.append(scheduler.step(output, timestep, sample).prev_sample)
        return torch.stack(result)


def write_case(parent: Path, name: str, class_name: str, config: dict, seed: int) -> Path:
    tensors, error, scheduler = golden(class_name, config, seeded(seed * 1000))
    own = {key: value for key, value in config.items() if key not in ("steps", "prediction_type", "beta_schedule")}
    description = ", ".join([class_name, f"{config['steps']} steps", config["prediction_type"],
                             f"{config['beta_schedule']} betas", *(f"{key}={value}" for key, value in own.items())])
    with CaseFolder(parent, "scheduler", name, seed, description, BAR) as folder:
        (folder.path / "scheduler").mkdir()
        write_json(folder.path / "scheduler" / "scheduler_config.json", json.loads(scheduler.to_json_string()))
        folder.golden(tensors)
        folder.info["steps"] = config["steps"]
        folder.info["reference_error"] = error
        # Where a step subtracts nearly equal numbers (pure noise to clean in one step), float32 itself is off by
        # more than the bar; then the bar is a small multiple of that.
        folder.info["bar"] = max(BAR, 4 * error)
    return folder.destination
