"""The published study's stage 1 and 2 in plain NumPy: slow, short, and written from the specification alone.

Beside the Rust crate it serves three ends: values at random points (not only those of the published table), NumPy's
own random stream, and the time the straightforward version takes.

    python3 tools/economics/reference.py streams > economics/tests/fixtures/numpy_streams.json
    python3 tools/economics/reference.py points --count 60 --seed 1 > economics/tests/fixtures/numpy_points.json
    python3 tools/economics/reference.py sweep            # the 4 x 11 x 13 points, timed
"""

import argparse
import json
import math
import resource
import sys
import time

import numpy as np

STUDY = dict(
    steps=30, cost_per_step=6.2e-6, gas=0.0002, emission=0.005, miner_share=0.41, miners=10, validators=5,
    drift=0.01, drift_target=1.5, discount=0.95, epochs=60, drift_epochs=200, deposit_split=0.9, kappa=0.5,
    initial_stake=1.0,
)


def detection(steps, tampered, checks):
    if checks > steps - tampered:
        return 1.0
    return 1 - math.comb(steps - tampered, checks) / math.comb(steps, checks)


def clipped(weights, stakes, kappa):
    """Each column at most the weight that a kappa-majority of stake supports."""
    result = weights.copy()
    for column in range(weights.shape[1]):
        order = np.argsort(-weights[:, column], kind="stable")
        reached = np.argmax(np.cumsum(stakes[order]) >= kappa * stakes.sum())
        result[:, column] = np.minimum(weights[:, column], weights[order[reached], column])
    return result


def normalised(weights):
    """Rows that sum to 1; a row of zeros (everybody caught at gamma = 1) stays as it is."""
    sums = weights.sum(axis=1, keepdims=True)
    return weights / np.where(sums == 0, 1, sums)


def cheating_value(study, alpha, slash, gamma, tampered):
    steps, miners, validators = study["steps"], study["miners"], study["validators"]
    caught_chance = detection(steps, tampered, max(1, round(alpha * steps)))
    rng = np.random.default_rng(0)
    stakes = rng.uniform(1, 2, validators)
    weights = normalised(rng.uniform(size=(validators, miners)))
    locked = np.full(miners, study["initial_stake"])
    total, discount = 0.0, 1.0
    for _ in range(study["epochs"]):
        rank = stakes @ clipped(weights, stakes, study["kappa"])
        share = rank / rank.sum() if rank.sum() > 0 else rank
        reward = study["miner_share"] * study["emission"] * share
        value = (reward - study["cost_per_step"] * (steps - tampered) - study["gas"]
                 - caught_chance * (reward + slash * locked))
        total += discount * value.sum()
        locked = locked + reward - caught_chance * slash * locked
        caught = rng.uniform(size=miners) < caught_chance
        drifted = (1 - study["drift"]) * weights + study["drift"] * study["drift_target"] / miners
        weights = normalised(np.where(caught, weights * (1 - gamma), drifted))
        discount *= study["discount"]
    tail = (1 - caught_chance) * reward.mean() - study["gas"] - caught_chance * slash * locked.mean()
    return total + discount / (1 - study["discount"]) * tail


def security(study, alpha, slash, gamma):
    best = -math.inf
    for tampered in range(1, study["steps"] + 1):
        best = max(best, cheating_value(study, alpha, slash, gamma, tampered))
        if best >= 0:
            break
    honest = (study["miner_share"] * study["emission"] / study["miners"] - study["steps"] * study["cost_per_step"]
              - study["gas"]) / (1 - study["discount"])
    return best, honest


def rank_share(study):
    weights = normalised(np.random.default_rng(0).uniform(size=(study["validators"], study["miners"])))
    for _ in range(study["drift_epochs"]):
        weights[:, 0] = (1 - study["drift"]) * weights[:, 0] + study["drift"] * study["drift_target"] / study["miners"]
        weights = normalised(weights)
    return weights[:, 0].sum() / weights.sum()


def deposits(study, alpha, ev_cheat, validator_share):
    steps, split = study["steps"], study["deposit_split"]
    checks = max(1, round(alpha * steps))
    miner = (steps * study["cost_per_step"] + study["gas"]
             - study["miner_share"] * study["emission"] * rank_share(study)) / split
    validator = max(0, (checks * study["cost_per_step"] - validator_share * study["emission"] / study["validators"])
                    / (1 - split))
    return dict(miner_term=miner, validator_term=validator, floor=max(0, miner, validator),
                ceiling=-ev_cheat / ((1 - checks / steps) * split))


def random_points(count, seed):
    rng = np.random.default_rng(seed)
    for index in range(count):
        study = dict(STUDY)
        study["emission"] = float(rng.choice([0.003, 0.005, 0.007, 0.010]))
        study["cost_per_step"] = float(rng.choice([4e-6, 5e-6, 6.2e-6, 8e-6, 10e-6]))
        if index % 3 == 0:  # away from the study's constants, too
            study.update(steps=int(rng.integers(1, 50)), miners=int(rng.integers(1, 14)),
                         validators=int(rng.integers(1, 9)), epochs=int(rng.integers(1, 90)),
                         kappa=float(rng.uniform(0.1, 0.9)), drift=float(rng.uniform(0, 0.2)),
                         initial_stake=float(rng.choice([0.0, 1e-5, 1.0])), emission=float(rng.uniform(0, 0.05)))
        alpha = 0.05 * int(rng.integers(2, 13))
        slash = 0.05 * int(rng.integers(0, 13))
        gamma = float(rng.choice([0.0, 0.5, 0.8, 1.0]))
        alpha, slash = round(alpha, 2), round(slash, 2)
        ev_cheat, ev_honest = security(study, alpha, slash, gamma)
        shared = 0.41 if index % 2 else 1 - study["miner_share"]
        bounds = deposits(study, alpha, ev_cheat, shared)
        yield dict(study=study, sensitivity_study=index % 2 == 0, alpha=alpha, slash=slash, gamma=gamma,
                   rank_share=rank_share(study), ev_cheat=ev_cheat, ev_honest=ev_honest, **bounds)


def streams():
    cases = []
    for entropy in [0, 1, 42, 2**32 + 5, 2**64 - 1, [0, 0], [1, 2, 3], [7, 2**40, 3, 4, 5, 6]]:
        bits = np.random.default_rng(entropy).bit_generator.random_raw(1_000_000)
        rng = np.random.default_rng(entropy)
        doubles = rng.uniform(size=1_000_000)
        cases.append(dict(
            entropy=[str(value) for value in (entropy if isinstance(entropy, list) else [entropy])],
            first_words=[str(word) for word in bits[:4]],
            word_999999=str(bits[-1]),
            xor_of_a_million=str(np.bitwise_xor.reduce(bits)),
            first_doubles=[repr(value) for value in doubles[:8].tolist()],
            uniform_1_2_after=repr(float(rng.uniform(1, 2))),
        ))
    return cases


def timed_sweep():
    start, user = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_utime
    values = [security(STUDY, round(0.05 * alpha, 2), round(0.05 * slash, 2), gamma)[0]
              for gamma in (0.0, 0.5, 0.8, 1.0) for alpha in range(2, 13) for slash in range(13)]
    return dict(points=len(values), wall_seconds=time.perf_counter() - start,
                user_seconds=resource.getrusage(resource.RUSAGE_SELF).ru_utime - user, sum_of_values=sum(values))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["streams", "points", "sweep"])
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.what == "streams":
        result = streams()
    elif arguments.what == "points":
        result = list(random_points(arguments.count, arguments.seed))
    else:
        result = timed_sweep()
    json.dump(result, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
