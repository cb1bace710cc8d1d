#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""compare.py TOKENIZER-IDS [--texts N] [--seed S] [--file TOKENIZER.json]

Ids of N random texts (100,000), of every kind of kinds.py in turn, against Hugging Face
`tokenizers` in the same run. With --file against that tokenizer alone. Writes TAP; skips itself
where Python has no `tokenizers`.
"""
import argparse
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

try:
    import tokenizers
except ImportError:
    print("1..0 # SKIP Python has no module tokenizers")
    sys.exit(0)

sys.dont_write_bytecode = True
import kinds


def our_ids(program, path, texts):
    packed = b"".join(struct.pack("=I", len(t)) + t for t in (t.encode() for t in texts))
    out = subprocess.run([program, path], input=packed, stdout=subprocess.PIPE, check=True).stdout
    numbers = struct.unpack(f"={len(out) // 4}I", out)
    at, answers = 0, []
    while at < len(numbers):
        n = numbers[at]
        answers.append(list(numbers[at + 1: at + 1 + n]) if n != 0xFFFFFFFF else None)
        at += 1 + (n if n != 0xFFFFFFFF else 0)
    return answers


def compare(program, path, name, tokens, n, seed):
    """The first text whose ids differ, or None; and how many ids there were."""
    reference = tokenizers.Tokenizer.from_file(str(path))
    texts = list(kinds.texts(name, tokens, n, seed))
    ours = our_ids(program, path, texts)
    theirs = [encoding.ids for encoding in reference.encode_batch(texts)]
    if len(ours) != len(theirs):
        return f"{len(ours)} answers, expected {len(theirs)}", 0
    for text, a, b in zip(texts, ours, theirs):
        if a != b:
            return f"{ascii(text)}: {a}, expected {b}", 0
    return None, sum(map(len, theirs))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--texts", type=int, default=100000)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--file", type=pathlib.Path)
    args = parser.parse_args()
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        if args.file:
            doc = json.loads(args.file.read_text())
            cases.append((args.file, args.file.stem, kinds.vocabulary_of(doc), args.texts))
        else:
            share, rest = divmod(args.texts, len(kinds.KINDS))
            for i, kind in enumerate(kinds.KINDS):
                doc = kinds.build(kind, args.seed)
                path = pathlib.Path(folder) / f"{kind.__name__}.json"
                path.write_text(json.dumps(doc))
                cases.append((path, kind.__name__, kinds.vocabulary_of(doc), share + (i < rest)))
        print(f"1..{len(cases)}")
        failed = False
        for i, (path, name, tokens, n) in enumerate(cases, 1):
            problem, n_ids = compare(args.program, path, name, tokens, n, args.seed)
            failed = failed or problem is not None
            print(f"{'ok' if problem is None else 'not ok'} {i} {name}: {n} texts"
                  + (f", {n_ids} ids" if problem is None else ""))
            if problem:
                print(f"# {problem}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
