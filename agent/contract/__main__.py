"""`python -m agent.contract [FOLDER]`: write the documents that ship in the package."""

import json
import sys
from pathlib import Path
from typing import Any

from agent.contract import asyncapi, schemas

SHIPPED = Path(__file__).parent / "v1"


def documents() -> dict[str, dict[str, Any]]:
    """File name -> what stands in it."""
    named = {f"{name.replace('_', '-')}.schema.json": schemas.schema(name) for name in schemas.identities()}
    return named | {"asyncapi.json": asyncapi.document()}


def text_of(document: dict[str, Any]) -> str:
    """As it is written."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def main(folder: Path) -> None:
    """Write all documents into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in documents().items():
        (folder / name).write_text(text_of(document), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED)
