"""PyTorch's own tutorial on model ensembling: all alphas and folds as one fixed cohort.

`stack_module_state`, `vmap(grad(…))` and nothing else; Adam by hand, since torch.optim takes no
strength per row. The strengths are a log grid: there is no search, no storage and no refill,
and a network that ends has no successor. The result is one file.

| symbol | meaning |
|---|---|
| A, R | alphas, replicates; lane a·R + r |
| L, B | lanes, L = A·R; rows of a batch |
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.functional import cross_entropy

from tests.benchmarks.job import Job, Trial, network, read_job, write_trials

Tensors = dict[str, Tensor]
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


def grid(job: Job) -> Tensor:
    """Return the strengths, even in their logarithm, (A,)."""
    low, high = (float(torch.tensor(end).log10()) for end in (job.low, job.high))
    return torch.logspace(low, high, job.trials, device=job.device)


def train(job: Job, alphas: Tensor) -> Tensor:
    """Train all lanes; return the values of the strengths, (A,)."""
    n_replicates = len(job.replicates)
    first = [network(job) for _ in job.replicates]  # every strength starts alike
    base, stacked = network(job).to("meta"), stack_module_state(first * len(alphas))[0]
    params = {name: tensor.detach() for name, tensor in stacked.items()}
    state = [{n: torch.zeros_like(p) for n, p in params.items()} for _ in range(2)]
    decay = 2 * alphas.repeat_interleave(n_replicates)[:, None, None]

    def forward(lane: Tensors, x: Tensor) -> Tensor:
        return torch.as_tensor(functional_call(base, lane, (x,)))

    def loss(lane: Tensors, x: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(forward(lane, x), y)

    def evaluate(r: int) -> Tensor:
        """Return the validation losses of a replicate, (A,)."""
        _, _, x, y = job.rows(r)
        lanes = {name: tensor[r::n_replicates] for name, tensor in params.items()}
        return vmap(loss, (0, None, None))(lanes, x, y)

    gradients, values, t = vmap(grad(loss)), torch.empty(0), 0
    for epoch in range(job.epochs):
        for x, y in batches(job, len(alphas)):
            t += 1
            adam_(params, gradients(params, x, y), state, decay, t, job.rate(epoch))
        with torch.no_grad():
            values = torch.stack([evaluate(r) for r in job.replicates])
    return values.mean(0)


def batches(job: Job, n_alphas: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Give an epoch's rows of all lanes, (L, B, F) and (L, B), in a new order."""
    problem = job.problem
    draws = [torch.randperm(len(rows), device=rows.device) for rows in problem.train]
    orders = torch.stack([rows[draw] for rows, draw in zip(problem.train, draws, strict=True)])
    for rows in orders.repeat(n_alphas, 1).split(job.batch, 1):
        yield problem.X[rows.flatten()].view(*rows.shape, -1), problem.y[rows]


def adam_(
    params: Tensors, grads: Tensors, state: list[Tensors], decay: Tensor, t: int, lr: float
) -> None:
    """Make step t of torch.optim.Adam in place, decay (L, 1, 1) being its weight_decay."""
    means, squares = state
    step, root = lr / (1 - BETA1**t), (1 - BETA2**t) ** 0.5
    for name, param in params.items():
        m, v = means[name], squares[name]
        g = grads[name].contiguous()  # vmap gives a weight's transposed, which is slow to update
        if name.endswith("weight"):
            g = g.addcmul(param, decay)
        m.lerp_(g, 1 - BETA1)
        v.mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
        param.addcdiv_(m, v.sqrt().div_(root).add_(EPS), value=-step)


def main() -> None:
    began, job = time.time(), read_job()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    torch.manual_seed(0)
    alphas = grid(job)
    values = train(job, alphas).tolist()  # waits for the device
    ended = time.time()
    write_trials([Trial(a, v, began, ended) for a, v in zip(alphas.tolist(), values, strict=True)])


if __name__ == "__main__":
    main()
