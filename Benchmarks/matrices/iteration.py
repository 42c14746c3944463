"""Times Muon's step over GPT-2's hidden matrices beside the same mathematics in PyTorch's Float32,
by turns. README.md says how."""

import argparse
import os
import pathlib
import statistics
import sys
import time

import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "peers"))
from side import Peer  # noqa: E402

# A layer of GPT-2 small: attention in and out, then the two layers of the perceptron.
LAYER = [(2304, 768), (768, 768), (3072, 768), (768, 3072)]


class Model:
    def __init__(self, layers):
        self.shapes = LAYER * layers


class Torch:
    """Muon's momentum and its iteration, in Float32, one matrix after another."""

    def __init__(self, model):
        torch.manual_seed(1)
        self.gradients = [torch.randn(shape) / 8 for shape in model.shapes]
        self.buffers = [torch.zeros(shape) for shape in model.shapes]
        self.parameters = [torch.randn(shape) for shape in model.shapes]

    @torch.no_grad()
    def step(self):
        for x, g, b in zip(self.parameters, self.gradients, self.buffers):
            b.mul_(0.95).add_(g)
            u = b * 0.95 + g
            tall = u.shape[0] > u.shape[1]
            o = u.T if tall else u
            o = o / (o.norm() + 1e-7)
            for _ in range(5):
                k = o @ o.T
                o = torch.addmm(o, torch.addmm(k, k, k, beta=-4.775, alpha=2.0315), o, beta=3.4445)
            o = o.T if tall else o
            x.add_(o, alpha=-0.02 * max(1, u.shape[0] / u.shape[1]) ** 0.5)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--descent", default=HERE.parent.parent / ".build/release/descent")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    os.environ["POCL_MAX_PTHREAD_COUNT"] = str(options.threads)
    torch.set_num_threads(options.threads)
    model = Model(options.layers)
    engine = {"threads": options.threads} if options.device == "cpu" else {}
    own = Peer([options.descent, "peer"]).side(
        "descent", "muon", {}, model, device=options.device, **engine)
    peer = Torch(model)
    own.run(0, 1)
    peer.step()
    times = {"descent": [], "pytorch": []}
    for _ in range(options.rounds):
        times["descent"].append(own.run(0, 1)[0])
        begin = time.perf_counter()
        peer.step()
        times["pytorch"].append(time.perf_counter() - begin)
    ratios = [p / d for d, p in zip(times["descent"], times["pytorch"])]
    print(
        f"{own.engine}, torch {torch.__version__}, {options.threads} threads, "
        f"{len(model.shapes)} matrices: descent {statistics.median(times['descent']):.2f} s, "
        f"pytorch {statistics.median(times['pytorch']):.2f} s, "
        f"{statistics.median(ratios):.2f} times as fast "
        f"({min(ratios):.2f} to {max(ratios):.2f})")


main()
