"""`python -m export RUN OUT`: a training run -> a bundle that the agent opens.

Examples:
  python -m export runs/student agent/shipped_bundle
  python -m export runs/ours bundle --folder our_recordings --keys ~/veille-keys
  python -m export --renew-evidence bundle
  python -m export runs/student bundle --renew-calibration
With --litert the bundle also serves LiteRT; that needs an environment of its own: `make bundle-litert`.

Further verbs, each with a --help of its own (they need veille[update]):
  python -m export keys ~/veille-keys                  make the keys, once
  python -m export sign bundle --keys ~/veille-keys    sign a bundle that is there
  python -m export publish bundle repository --keys ~/veille-keys
  python -m export refresh repository --keys ~/veille-keys
  python -m export rotate repository --keys ~/veille-keys --new bundles
  python -m export pin                                 after the bundle in the package was changed by hand
"""

import argparse
import sys
from pathlib import Path

from agent.errors import AgentError
from training.errors import TrainingError


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    verb = VERBS.get(argv[0]) if argv else None
    try:
        (verb or _export)(argv[1:] if verb else argv)
    except (TrainingError, AgentError) as error:
        print(f"export: {error}", file=sys.stderr)
        return 2
    return 0


def _parser(verb: str, what: str | None) -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(prog=f"python -m export {verb}".strip(), description=what, formatter_class=raw)


def _export(argv: list[str]) -> None:
    from training.datasets.corpus import add_data_arguments

    parser = _parser("", __doc__)
    parser.add_argument("run", type=Path, nargs="?", help="folder of a training run (weights.npz, run.json)")
    parser.add_argument("out", type=Path, help="folder of the bundle; replaced as a whole")
    add_data_arguments(parser)
    parser.add_argument("--litert", action="store_true", help="add model.tflite and model.b1.tflite")
    parser.add_argument("--evidence", action="store_true", help="teach the evidential layer too (5 minutes alone)")
    parser.add_argument("--keys", type=Path, metavar="DIR", help="sign the bundle with the key in this folder")
    parser.add_argument(
        "--renew-evidence", action="store_true", help="of the bundle OUT, teach only what tells wrong measurements"
    )
    parser.add_argument(
        "--renew-calibration", action="store_true", help="of the bundle OUT, made from RUN, keep the network"
    )
    parser.add_argument(
        "--renew-head", action="store_true", help="as --renew-calibration, and teach the head for falls anew"
    )
    args = parser.parse_args(argv)
    if args.run is None and not args.renew_evidence:
        parser.error("name the folder of a training run, and that of the bundle")
    from export.make import make
    from export.renew import renew_calibration, renew_evidence

    if args.renew_evidence:
        renew_evidence(args.out, args.root, keys=args.keys)
        return
    if args.renew_calibration or args.renew_head:
        renew_calibration(args.run, args.out, args.root, args.folder, args.keys, head=args.renew_head)
        return
    forms = {"with_litert": args.litert, "with_evidence": args.evidence}
    make(args.run, args.out, args.root, args.folder, keys=args.keys, **forms)


def _keys(argv: list[str]) -> None:
    parser = _parser("keys", "Make the keys of a publisher, and root.json for the gateways.")
    parser.add_argument("folder", type=Path, help="where they go; outside of any repository")
    args = parser.parse_args(argv)
    from export.keys import make_keys

    make_keys(args.folder)
    print(f"{args.folder}: root.pem into a safe; bundles.pem signs; root.json goes to the gateways (`trust`)")


def _sign(argv: list[str]) -> None:
    parser = _parser("sign", "Sign a bundle.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--keys", type=Path, required=True, metavar="DIR")
    parser.add_argument("--for", dest="gateways", action="append", default=[], metavar="SITE/GATEWAY")
    args = parser.parse_args(argv)
    from export.sign import sign

    sign(args.bundle, args.keys, args.gateways)


def _pin(argv: list[str]) -> None:
    _parser("pin", "Pin the digest of the bundle in the package.").parse_args(argv)
    from export.sign import pin

    print(pin())


def _publish(argv: list[str]) -> None:
    from export.publish import FRESH_DAYS, publish

    parser = _parser("publish", "Add a signed bundle to a repository of static files, or begin one.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("repository", type=Path)
    parser.add_argument("--keys", type=Path, required=True, metavar="DIR")
    parser.add_argument("--days", type=float, default=FRESH_DAYS, help=f"valid without a refresh ({FRESH_DAYS:.0f})")
    args = parser.parse_args(argv)
    print(publish(args.bundle, args.repository, args.keys, args.days))


def _refresh(argv: list[str]) -> None:
    from export.publish import FRESH_DAYS, refresh

    parser = _parser("refresh", "Vouch that a repository is current; gateways refuse one that nobody vouches for.")
    parser.add_argument("repository", type=Path)
    parser.add_argument("--keys", type=Path, required=True, metavar="DIR", help="online.pem is enough")
    parser.add_argument("--days", type=float, default=FRESH_DAYS, help=f"valid for so long ({FRESH_DAYS:.0f})")
    args = parser.parse_args(argv)
    refresh(args.repository, args.keys, args.days)


def _rotate(argv: list[str]) -> None:
    parser = _parser("rotate", "The next root.json: with new keys, or the same ones for ten more years.")
    parser.add_argument("repository", type=Path)
    parser.add_argument("--keys", type=Path, required=True, metavar="DIR", help="root.pem and online.pem are needed")
    parser.add_argument(
        "--new", action="append", default=[], choices=("root", "bundles", "online"), help="once for each"
    )
    args = parser.parse_args(argv)
    from export.rotate import rotate

    version = rotate(args.repository, args.keys, sorted(set(args.new)))
    print(f"root {version}: gateways follow it with their next update; destroy the old private keys")
    if "bundles" in args.new:
        print("nothing is offered now: sign and publish again what the withdrawn key had signed")


VERBS = {"keys": _keys, "sign": _sign, "publish": _publish, "refresh": _refresh, "rotate": _rotate, "pin": _pin}


if __name__ == "__main__":
    sys.exit(main())
