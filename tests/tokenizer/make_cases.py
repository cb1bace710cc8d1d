#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make_cases.py [--out FOLDER] [--texts N]

Writes cases/KIND.json, a tokenizer, and cases/KIND.jsonl, texts with the ids that Hugging Face
`tokenizers` gives them, for every kind of kinds.py. Training makes the vocabularies; another
release of `tokenizers` may make others, so both files of a kind are written together.
"""
import argparse
import json
import pathlib
import sys

import tokenizers

sys.dont_write_bytecode = True
import kinds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=pathlib.Path(__file__).parent / "cases", type=pathlib.Path)
    parser.add_argument("--texts", default=200, type=int)
    args = parser.parse_args()
    args.out.mkdir(exist_ok=True)
    for kind in kinds.KINDS:
        doc = kinds.build(kind)
        source = json.dumps(doc, ensure_ascii=kind is kinds.contiguous, separators=(",", ":"))
        (args.out / f"{kind.__name__}.json").write_text(source + "\n")
        reference = tokenizers.Tokenizer.from_str(source)
        with open(args.out / f"{kind.__name__}.jsonl", "w") as file:
            for text in kinds.texts(kind.__name__, kinds.vocabulary_of(doc), args.texts):
                line = {"text": text, "ids": reference.encode(text).ids}
                file.write(json.dumps(line, separators=(",", ":")) + "\n")
        print(f"{kind.__name__}: {len(doc['model']['vocab'])} tokens, "
              f"{len(doc['model']['merges'])} merges; tokenizers {tokenizers.__version__}")


if __name__ == "__main__":
    main()
