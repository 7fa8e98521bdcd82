"""`python -m training train`, `evaluate`, `prudence`, ...: the workstation's side of Veille; see `--help`."""

import argparse
import sys

from agent.errors import AgentError
from training import agreement, choose, evaluate, explain, leaderboard, prudent, train
from training.benchmarks.noise_novelty import command as noise_novelty
from training.datasets import convert
from training.errors import TrainingError
from training.limbs import detector
from training.limbs import figures as limbs

COMMANDS = {
    "train": (train, "train the student on the normal activities of the datasets that may ship"),
    "convert": (convert, "write recordings of a dataset in the recording format that `veille replay` reads"),
    "choose": (choose, "how the numbers of the score were chosen, on the calibration wearers"),
    "agreement": (agreement, "whether limbs that agree tell more than the strangest of them"),
    "evaluate": (evaluate, "detection figures of a bundle beside its peers"),
    "prudence": (prudent, "is the budget kept, and doubt well placed, also where sensors are worn badly?"),
    "noise-novelty": (noise_novelty, "is a broken measurement told from a changed behaviour?"),
    "explain": (explain, "whether explanations are true: place, deletion, interventions, cost"),
    "limbs": (limbs, "figures of arm use and its changes over days"),
    "limbs-detector": (detector, "learn functional use of an arm from your own recordings"),
    "leaderboard": (leaderboard, "VUS-PR of our causal recipe beside the published detectors of TSB-AD"),
}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (module, text) in COMMANDS.items():
        module.add_arguments(commands.add_parser(name, help=text, description=module.__doc__))
    args = parser.parse_args(argv)
    try:
        COMMANDS[args.command][0].main(args)
    except (TrainingError, AgentError) as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("training: interrupted; `train` goes on from its last checkpoint when started again", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
