"""The inputs that the fuzzer has found to reach further: for each target one file, an input a line, in
base64, the smallest first.

  fuzz_corpus.py unpack FILE DIRECTORY    one file each, as libFuzzer reads them
  fuzz_corpus.py pack DIRECTORY FILE      the other way round
"""

import base64
import hashlib
import pathlib
import sys


def unpack(packed: pathlib.Path, directory: pathlib.Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for line in packed.read_text().split():
        found = base64.b64decode(line, validate=True)
        (directory / hashlib.sha1(found).hexdigest()).write_bytes(found)


def pack(directory: pathlib.Path, packed: pathlib.Path) -> None:
    found = {path.read_bytes() for path in directory.iterdir()}
    lines = [base64.b64encode(one).decode() for one in sorted(found, key=lambda one: (len(one), one))]
    packed.write_text("".join(line + "\n" for line in lines if line))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["unpack", packed, directory]:
            unpack(pathlib.Path(packed), pathlib.Path(directory))
        case ["pack", directory, packed]:
            pack(pathlib.Path(directory), pathlib.Path(packed))
        case _:
            sys.exit(__doc__)
