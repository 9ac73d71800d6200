"""Runs calls of a vendor's SDK in that SDK's own environment: JSON lines in, JSON lines out. Standard library only.

    python sdk_driver.py FOLDER      then one line a call: {"call": "module:function", "args": {…}}

`module` is a file of FOLDER; its functions return what JSON can say. A function that raises answers
`{"error": {"type": "<class>", "bases": [...], "text": "…", "fields": {…}}}`: what a product's code would see.
"""

import importlib
import json
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from threading import Lock


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    out, sys.stdout = sys.stdout, sys.stderr  # what an SDK prints is no answer
    lock = Lock()

    def answer(line: str) -> None:
        asked = json.loads(line)
        told = {"id": asked["id"], **run(asked)}
        with lock:
            out.write(json.dumps(told, default=str) + "\n")
            out.flush()

    with ThreadPoolExecutor(max_workers=60) as pool:
        for line in sys.stdin:
            pool.submit(answer, line)


def run(asked: dict) -> dict:  # type: ignore[type-arg]
    module, _, name = asked["call"].partition(":")
    try:
        return {"result": getattr(importlib.import_module(module), name)(**asked["args"])}
    except Exception as error:  # noqa: BLE001 - it is the answer
        fields = {key: value for key, value in vars(error).items() if is_plain(value)}
        return {
            "error": {
                "type": type(error).__name__,
                "bases": [base.__name__ for base in type(error).__mro__],
                "text": str(error),
                "fields": fields,
                "trace": traceback.format_exc(),
            }
        }


def is_plain(value: object) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


if __name__ == "__main__":
    main()
