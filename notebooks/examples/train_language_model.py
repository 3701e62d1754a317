"""A small language model, trained from nothing on several nodes: letters in, the next letter out.

Started by ``torchrun`` on every node (panel "Train on several nodes", or training.ipynb). It writes a checkpoint every
few steps and when Slurm warns of the time limit, and goes on from the last one when it is started again. When it has
finished, the checkpoint becomes the model (``language-model.finished.pt``), and the next run begins anew.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

CONTEXT, WIDTH, HEADS, LAYERS = 48, 64, 4, 2
TEXT = (Path(__file__).read_text() + Path(signal.__file__).read_text() + Path(contextlib.__file__).read_text()) * 2
"""What it learns from: programs that are on every node. Put a text of yours here."""


class Model(nn.Module):
    """A transformer with one head for the next letter."""

    def __init__(self, letters: int) -> None:
        super().__init__()
        self.letter = nn.Embedding(letters, WIDTH)
        self.place = nn.Embedding(CONTEXT, WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, dropout=0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.out = nn.Linear(WIDTH, letters)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(seen.shape[1], device=seen.device)
        places = torch.arange(seen.shape[1], device=seen.device)
        return self.out(self.layers(self.letter(seen) + self.place(places), mask=mask, is_causal=True))


def batch(text: torch.Tensor, size: int, step: int, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Other pieces for every process and step, and the same again after a restart."""
    chance = torch.Generator().manual_seed(1_000_003 * step + rank)
    starts = torch.randint(len(text) - CONTEXT - 1, (size,), generator=chance)
    pieces = torch.stack([text[start : start + CONTEXT + 1] for start in starts])
    return pieces[:, :-1], pieces[:, 1:]


def load(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """The step to go on from."""
    if not path.exists():
        return 0
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    return int(checkpoint["step"])


def save(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Whole or not at all: a job may end at any moment."""
    new = path.with_suffix(".new")
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, new)
    new.replace(path)


def finish(path: Path) -> None:
    """Nothing is left to go on from, and the job need not be started again."""
    path.replace(path.with_suffix(".finished.pt"))
    if sign := os.environ.get("ATRIUM_TRAINING_FINISHED"):
        Path(sign).touch()


def say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--checkpoint", type=Path, default=Path("language-model.pt"))
    parser.add_argument("--every", type=int, default=20, help="steps between two checkpoints")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds to wait after each step (to try restarts)")
    options = parser.parse_args()

    warned = []
    signal.signal(signal.SIGUSR1, lambda *_: warned.append(True))
    gpu = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if gpu else torch.device("cpu")
    if gpu:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if gpu else "gloo")
    rank, world = dist.get_rank(), dist.get_world_size()

    letters = sorted(set(TEXT))
    number = {letter: at for at, letter in enumerate(letters)}
    text = torch.tensor([number[letter] for letter in TEXT])
    torch.manual_seed(0)
    model = Model(len(letters)).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    first = load(options.checkpoint, model, optimizer)
    shared = DistributedDataParallel(model)
    if rank == 0:
        say(f"{world} processes, {sum(p.numel() for p in model.parameters())} parameters, from step {first}")

    for step in range(first, options.steps):
        seen, targets = (part.to(device) for part in batch(text, 16, step, rank))
        loss = functional.cross_entropy(shared(seen).flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        time.sleep(options.pause)
        stop = torch.tensor([float(bool(warned)), loss.item()], device=device)  # NCCL takes tensors on GPUs only
        dist.all_reduce(stop)  # all of them stop at the same step
        if rank == 0 and (step % 10 == 0 or step + 1 == options.steps):
            say(f"step {step} loss {stop[1].item() / world:.3f}")
        done = step + 1
        if rank == 0 and (done % options.every == 0 or done == options.steps or stop[0] > 0):
            save(options.checkpoint, model, optimizer, done)
        if stop[0] > 0 and done < options.steps:
            if rank == 0:
                say(f"told to stop: checkpoint at step {done}")
            break
    else:
        if rank == 0:
            save(options.checkpoint, model, optimizer, options.steps)
            finish(options.checkpoint)
            say("finished")
    dist.barrier()
    dist.destroy_process_group()
    return 0


if __name__ == "__main__":
    sys.exit(main())
