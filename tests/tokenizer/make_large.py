#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make_large.py OUT [--tokens N] [--text FILE BYTES]

A tokenizer.json with the size and form of the released one: 262,144 tokens, about half a million
merges, 33 MB, indented as Hugging Face writes it. Needs Python alone, and writes the same bytes
every time. Tokens are made by joining up to four earlier ones, the common ones more often; the merges
are all ways to cut a token in two that are tokens themselves, in the order of what they make, as in
the released file. --text writes a text of these tokens.
"""
import argparse
import json
import random

SPECIALS = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
LATE = ["<|image>", "<|audio>", "<|image|>", "<|audio|>", "<image|>", "<audio|>", "<|video|>"]


def alphabet():
    """Single characters: ASCII without the space, and some of many scripts and planes."""
    yield from map(chr, range(0x21, 0x7F))
    yield "\u2581"
    yield "\n"
    yield "\t"
    for first, last in ((0xA1, 0x17F), (0x391, 0x3CE), (0x410, 0x44F), (0x5D0, 0x5EA), (0x627, 0x64A),
                        (0x905, 0x939), (0x3041, 0x3096), (0x4E00, 0x55FF), (0xAC00, 0xAFFF),
                        (0x1F300, 0x1F3FF), (0x20000, 0x200FF)):
        yield from map(chr, range(first, last + 1))


def build(n_tokens):
    rng = random.Random(7)
    vocab = {}

    def add(token):
        vocab.setdefault(token, len(vocab))

    for token in SPECIALS + [f"<0x{b:02X}>" for b in range(256)]:
        add(token)
    base = list(alphabet())
    for char in base:
        add(char)
    # Most tokens of few letters, so that most of their parts are tokens, too.
    latin = ["\u2581"] + list("etaoinshrdlucmfwypvbgkjqxz")
    weights = [12] + [12, 11, 10, 9, 9, 9, 8, 8, 8, 6, 6] + [1] * 15
    pools = [rng.choices(latin, weights, k=4000), base]
    while True:
        pool = pools[0] if rng.random() < 0.85 else pools[1]
        # The square of a random number: early, short tokens are joined most.
        parts = [pool[int(rng.random() ** 2 * len(pool))] for _ in range(4)]
        if len("".join(parts)) > 12:
            continue
        for first, last in ((0, 2), (1, 3), (2, 4), (0, 3), (1, 4), (0, 4)):
            token = "".join(parts[first:last])
            if "\u2581" in token[1:] or token in vocab:
                continue
            if len(vocab) == n_tokens - len(LATE):
                break
            add(token)
            pool.append(token)
        else:
            continue
        break
    merges = [(token[:i], token[i:]) for token in vocab for i in range(1, len(token))
              if token[:i] in vocab and token[i:] in vocab]
    for token in LATE:
        add(token)
    return vocab, merges


def tokenizer(vocab, merges):
    def special(token):
        return {"id": vocab[token], "content": token, "single_word": False, "lstrip": False,
                "rstrip": False, "normalized": False, "special": True}

    bos, eos = ({"SpecialToken": {"id": token, "type_id": 0}} for token in ("<bos>", "<eos>"))
    text = {"Sequence": {"id": "A", "type_id": 0}}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [special(token) for token in SPECIALS + LATE],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "},
                          "behavior": "MergedWithPrevious", "invert": False},
        "post_processor": {
            "type": "TemplateProcessing", "single": [bos, text, eos],
            "pair": [bos, text, eos, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {token: {"id": token, "ids": [vocab[token]], "tokens": [token]}
                               for token in ("<bos>", "<eos>")},
        },
        "decoder": None,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True,
            "ignore_merges": False, "vocab": vocab, "merges": merges,
        },
    }


def write_text(path, size, vocab):
    rng = random.Random(11)
    words = [token.replace("\u2581", " ") for token in vocab if token not in SPECIALS + LATE]
    words = [word for word in words if not word.startswith("<0x")]
    out, length = [], 0
    while length < size:
        word = words[int(rng.random() ** 3 * len(words))] + rng.choice(["", "", " ", "  ", "\n"])
        out.append(word)
        length += len(word.encode())
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write("".join(out))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--tokens", type=int, default=262144)
    parser.add_argument("--text", nargs=2, metavar=("FILE", "BYTES"))
    args = parser.parse_args()
    vocab, merges = build(args.tokens)
    with open(args.out, "w", encoding="utf-8", newline="") as file:
        json.dump(tokenizer(vocab, merges), file, indent=2, ensure_ascii=False)
    if args.text:
        write_text(args.text[0], int(args.text[1]), vocab)
    print(f"{len(vocab)} tokens, {len(merges)} merges")


if __name__ == "__main__":
    main()
