#!/usr/bin/env python3
"""Which Swift tests have failed, from the events of a run, and why.

    scripts/failed_tests.py EVENTS           what each has failed for, for people
    scripts/failed_tests.py --filter EVENTS  a regular expression of their names for `swift test`

EVENTS is the file that `swift test --event-stream-output-path` has written. Ends with 3 where the run
came to no end of its own (a trap, a sanitizer's report, a limit of time), or something failed that was
no test.
"""

import json
import re
import sys


def failures(path: str) -> tuple[dict[str, list[str]], bool]:
    """What was wrong with each test that failed, in order, and whether the run has ended."""
    wrong: dict[str, list[str]] = {}
    has_ended = False
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:
                continue  # cut off where the process ended
            if record.get("kind") != "event":
                continue
            event = record["payload"]
            has_ended |= event["kind"] == "runEnded"
            if event["kind"] != "issueRecorded" or event.get("issue", {}).get("isKnown"):
                continue
            place = event.get("issue", {}).get("sourceLocation", {})
            text = " ".join(message["text"] for message in event["messages"])
            where = f"{place.get('fileID', '?')}:{place.get('line', '?')}"
            wrong.setdefault(event.get("testID", ""), []).append(f"{where}: {text}")
    return wrong, has_ended


def pattern(test: str) -> str:
    """Of the test and no other; its ID ends with file and line."""
    name = test.rsplit("/", 1)[0] if re.search(r"\.swift:\d+:\d+$", test) else test
    return f"^{re.escape(name)}(/|$)"


def main() -> int:
    wants_filter = sys.argv[1] == "--filter"
    try:
        wrong, has_ended = failures(sys.argv[-1])
    except FileNotFoundError:
        return 3
    if wants_filter:
        print("|".join(pattern(test) for test in wrong))
    else:
        for test, reasons in wrong.items():
            print(f"✘ {test}")
            for reason in reasons[:5]:
                print(f"    {reason[:600]}")
    return 0 if has_ended and all(wrong) else 3


if __name__ == "__main__":
    sys.exit(main())
