"""Build the reference models: what the published evidence alone says, without a woman of any clinic."""

from __future__ import annotations

import argparse
from pathlib import Path

from poi_predict.reference_models import REFERENCES, build_reference


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("models"), help="folder in which the bundles are written")
    wanted = parser.parse_args()
    for study, name in REFERENCES.items():
        digest = build_reference(study, wanted.out / name)
        print(f"{wanted.out / name}: made from published evidence alone; not for counselling. SHA-256 {digest[:12]}…")
    print("The same evidence gives the same bytes: 'git status' shows whether anything has changed.")


if __name__ == "__main__":
    main()
