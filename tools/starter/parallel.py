"""Two single-thread processes that train one model: gradients averaged over gloo on this machine."""

import signal
import time

import torch
import torch.distributed as dist


class Ranks:
    """This process's place among `world` processes, and what they do together."""

    def __init__(self, rank, world, port):
        torch.set_num_threads(1)
        self.rank, self.world = rank, world
        self.stop_asked = False
        signal.signal(signal.SIGTERM, self._ask_stop)
        if world > 1:
            dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=world)

    def _ask_stop(self, *_unused):
        self.stop_asked = True

    def elapsed(self):
        """CPU seconds of rank 0 since its start, on every rank; infinite once it was asked to stop.

        Budgets and learning-rate schedules count these: on a busy machine wall-clock time says little.
        """
        return self.agree(float("inf") if self.stop_asked else time.process_time())

    def agree(self, value):
        """Rank 0's number, so that all ranks decide alike."""
        if self.world == 1:
            return value
        shared = torch.tensor([float(value)], dtype=torch.float64)
        dist.broadcast(shared, 0)
        return shared.item()

    def average_gradients(self, params):
        """Replace gradients by their mean over all ranks."""
        if self.world == 1:
            return
        grads = [param.grad for param in params if param.grad is not None]
        flat = torch.cat([grad.flatten() for grad in grads])
        dist.all_reduce(flat)
        flat /= self.world
        for grad, part in zip(grads, flat.split([grad.numel() for grad in grads])):
            grad.copy_(part.view_as(grad))

    def cpu_seconds(self):
        """CPU time of all ranks, taking them as equally busy."""
        return self.world * time.process_time()

    def close(self):
        """Leave the group."""
        if self.world > 1:
            dist.destroy_process_group()
