# SPDX-License-Identifier: Apache-2.0
"""Small tokenizers of several kinds, trained with Hugging Face `tokenizers`, and random texts.

Every kind is there for a rule that the released tokenizer.json may or may not need: a reader that
is right for one file only by luck is wrong for the next.
"""
import json
import random

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

SPACE = "\u2581"
SPECIALS = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
MEDIA = ["<|image>", "<|audio>", "<|image|>", "<|audio|>", "<image|>", "<audio|>", "<|video|>",
         "<|turn>", "<turn|>", "<|\"|>", "<|tool>", "<|tool_call>"]
BYTES = [f"<0x{b:02X}>" for b in range(256)]
WORDS = ("the a of red blue car street dog cat beach person opens door night task: search result query: "
         "title: none text: snow falls quiet boat evening light stops runs plays sentence similarity | "
         "Straße für über Grüße ein Café naïve œuvre été мир дорога кошка ночь שלום عالم नमस्ते 日本 東京 "
         "犬 猫 車 한국 사람 🚗 🐶 👨\u200d👩\u200d👧 e\u0301 ¿qué? 12 345 67.89 :) -- ... <b> </b> ▁ x=1; \u0000 \ufeff").split(" ")


def corpus(rng, n=3000):
    """Sentences of the words above and of invented ones."""
    letters = "etaoinshrdlu"
    invented = ["".join(rng.choices(letters, k=rng.randint(2, 7))) for _ in range(300)]
    words = WORDS + invented
    for _ in range(n):
        space = rng.choice([" ", " ", " ", "  ", "\n", "   ", "\t"])
        yield space.join(words[int(rng.random() ** 2 * len(words))] for _ in range(rng.randint(1, 12)))


def train(rng, model, size, alphabet=(), specials=(), normalizer=None, split=None):
    """The vocabulary and merges, with `specials` first."""
    tok = Tokenizer(model)
    if normalizer is not None:
        tok.normalizer = normalizer
    if split is not None:
        tok.pre_tokenizer = split
    trainer = trainers.BpeTrainer(vocab_size=len(specials) + size, special_tokens=list(specials),
                                  initial_alphabet=list(alphabet), limit_alphabet=90,
                                  show_progress=False)
    tok.train_from_iterator(list(corpus(rng)), trainer)
    trained = json.loads(tok.to_str())["model"]
    return trained["vocab"], trained["merges"]


def added(token, id, **flags):
    return {"id": id, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": False, "special": True, **flags}


def template(vocab, before, after):
    def piece(token):
        return {"SpecialToken": {"id": token, "type_id": 0}}

    text = {"Sequence": {"id": "A", "type_id": 0}}
    return {"type": "TemplateProcessing",
            "single": [*map(piece, before), text, *map(piece, after)],
            "pair": [text, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {t: {"id": t, "ids": [vocab[t]], "tokens": [t]}
                               for t in {*before, *after}}}


def document(vocab, merges, added_tokens, normalizer=None, pre_tokenizer=None, post_processor=None,
             **model):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added_tokens,
            "normalizer": normalizer, "pre_tokenizer": pre_tokenizer,
            "post_processor": post_processor, "decoder": None,
            "model": {"type": "BPE", "dropout": None, "unk_token": None,
                      "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                      **model, "vocab": vocab, "merges": merges}}


REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}


def split(pattern, behavior):
    return {"type": "Split", "pattern": {"String": pattern}, "behavior": behavior, "invert": False}


def released(rng):
    """As the released one: byte fallback, a split that never happens, special tokens in the text."""
    vocab, merges = train(
        rng, models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True), 500,
        SPACE + "\n", SPECIALS + MEDIA + BYTES, normalizers.Replace(" ", SPACE),
        pre_tokenizers.Split(SPACE, "merged_with_next"))
    # A run of spaces is a token of its own; real files have up to 31 of them.
    for n in range(2, 9):
        vocab[SPACE * n] = len(vocab)
    merges += [[SPACE * i, SPACE * (n - i)] for n in range(2, 9) for i in range(1, n)]
    return document(vocab, merges, [added(t, vocab[t]) for t in SPECIALS + MEDIA], REPLACE,
                    split(" ", "MergedWithPrevious"), template(vocab, ["<bos>"], ["<eos>"]),
                    unk_token="<unk>", fuse_unk=True, byte_fallback=True)


def lines(rng):
    """Merges as "left right", before the vocabulary; unknown characters fused; no template."""
    vocab, merges = train(rng, models.BPE(unk_token="<unk>"), 300, SPACE, ["<unk>"],
                          normalizers.Replace(" ", SPACE),
                          pre_tokenizers.Split(SPACE, "isolated"))
    doc = document(vocab, [" ".join(m) for m in merges], [added("<unk>", 0)], REPLACE,
                   unk_token="<unk>", fuse_unk=True)
    doc["model"]["merges"] = ["#version: 0.2", *doc["model"]["merges"]]
    doc["model"] = {"merges": doc["model"].pop("merges"), **doc["model"]}
    return {"model": doc.pop("model"), **doc}


def spaces(rng):
    """No normalizer; a space ends a piece; unknown characters one by one; no byte fallback."""
    vocab, merges = train(rng, models.BPE(unk_token="<unk>"), 300, " ", ["<unk>", "<s>", "</s>"],
                          split=pre_tokenizers.Split(" ", "merged_with_previous"))
    return document(vocab, merges, [added(t, vocab[t]) for t in ("<unk>", "<s>", "</s>")], None,
                    split(" ", "MergedWithPrevious"),
                    template(vocab, ["<s>", "<s>"], ["</s>", "<unk>"]), unk_token="<unk>")


def some_bytes(rng):
    """Half of the bytes are missing: bytes and unknown ones mixed. Pieces begin with their spaces."""
    vocab, merges = train(rng, models.BPE(unk_token="<unk>", byte_fallback=True), 250, SPACE,
                          ["<unk>"] + [b for b in BYTES if rng.random() < 0.8],
                          normalizers.Replace(" ", SPACE),
                          pre_tokenizers.Split(SPACE, "merged_with_next"))
    return document(vocab, merges, [added("<unk>", 0)], REPLACE, split(SPACE, "MergedWithNext"),
                    unk_token="<unk>", byte_fallback=True, fuse_unk=True)


def added_ones(rng):
    """Added tokens of every kind, some the beginnings of others, some outside of the vocabulary."""
    vocab, merges = train(rng, models.BPE(unk_token="<unk>", byte_fallback=True), 400, SPACE + "\n",
                          ["<unk>"] + BYTES, normalizers.Replace(" ", SPACE),
                          pre_tokenizers.Split(SPACE, "isolated"))
    tokens = [("<unk>", {}), ("<a", {}), ("<a>", {"lstrip": True}), ("<a>b", {"rstrip": True}),
              ("<ab>", {"lstrip": True, "rstrip": True}), ("the", {"normalized": True, "special": False}),
              ("red car", {"normalized": True, "special": False}), ("red", {"special": False}),
              ("  ", {"normalized": True, "special": False}), ("\n\n", {"special": False}),
              ("dog\u3000", {"rstrip": True}), ("日本", {"lstrip": True, "normalized": True}),
              ("t\u2581e", {"normalized": True}), ("🚗", {"rstrip": True}), ("", {}),
              ("the dog", {"normalized": True}), ("hedge", {"normalized": True})]
    entries, free = [], len(vocab)
    for token, flags in tokens:
        id = vocab.get(token)
        if id is None:
            id = free
            free += token != ""
        entries.append(added(token, id, **flags))
    normalizer = {"type": "Sequence", "normalizers": [
        REPLACE, {"type": "Replace", "pattern": {"String": SPACE * 3}, "content": SPACE},
        {"type": "Replace", "pattern": {"String": "dge"}, "content": "dg"},
        {"type": "Replace", "pattern": {"String": "\t"}, "content": ""}]}
    return document(vocab, merges, entries, normalizer, split(SPACE, "Isolated"),
                    unk_token="<unk>", byte_fallback=True, fuse_unk=True)


def whole_words(rng):
    """ignore_merges, no unknown token at all, spaces dropped, ids that are not in a row."""
    vocab, merges = train(rng, models.BPE(), 300, " ", [],
                          split=pre_tokenizers.Split(" ", "removed"))
    vocab = {token: 7 * id + 3 for token, id in vocab.items()}
    for word in WORDS[:20]:
        vocab.setdefault(word, 100000 + len(vocab))
    return document(vocab, merges, [], None, split(" ", "Removed"), ignore_merges=True)


def contiguous(rng):
    """Runs of newlines as one piece; two ways to one token, ranked apart; equal merges twice."""
    vocab, merges = train(rng, models.BPE(unk_token="<unk>"), 300, " \n", ["<unk>"],
                          split=pre_tokenizers.Split(Regex("\\s+"), "contiguous"))
    extra = [[t[:i], t[i:]] for t in vocab for i in range(1, len(t))
             if t[:i] in vocab and t[i:] in vocab]
    rng.shuffle(extra)
    merges = merges[: len(merges) // 2] + extra + merges
    return document(vocab, merges, [added("<unk>", vocab["<unk>"])], None,
                    split("\n", "Contiguous"), unk_token="<unk>")


KINDS = [released, lines, spaces, some_bytes, added_ones, whole_words, contiguous]


def build(kind, seed=6):
    return kind(random.Random(f"{kind.__name__} {seed}"))


def character(rng):
    """Of every plane, surrogates left out; ASCII, Latin and controls more often than by chance."""
    plane = rng.randrange(26)
    if plane < 3:
        return chr(rng.randrange(0x80))
    if plane < 6:
        return chr(rng.randrange(0x80, 0x800))
    if plane < 9:
        while True:
            c = rng.randrange(0x800, 0x10000)
            if not 0xD800 <= c < 0xE000:
                return chr(c)
    return chr((plane - 9) % 17 * 0x10000 + rng.randrange(0x10000)) if plane > 9 else \
        chr(rng.randrange(0x1F300, 0x1F700))


def text(rng, tokens):
    """A random text; `tokens`, the tokenizer's own, come in it whole and in parts."""
    out = []
    for _ in range(int(rng.random() ** 2 * 40)):
        pick = rng.randrange(12)
        if pick < 3:
            out.append(rng.choice(WORDS))
        elif pick < 5:
            out.append(" " * min(12, int(rng.expovariate(0.5)) + 1))
        elif pick == 5:
            out.append(rng.choice(["\n", "\n\n", "\t", "\r\n", "\u00a0", "\u3000", "\u2028", "\u0085"]))
        elif pick == 6:
            out.append("".join(character(rng) for _ in range(rng.randint(1, 6))))
        elif pick == 7:
            out.append("".join(rng.choices("etaoinshrdlu ", k=rng.randint(1, 12))))
        elif pick == 8:
            out.append(rng.choice(SPECIALS + MEDIA + BYTES))
        else:
            token = rng.choice(tokens)
            out.append(token if pick < 11 else token[: rng.randint(0, len(token))])
    return "".join(out)


def texts(name, tokens, n, seed=1):
    """n texts; surrogates of a plane that has none of its own are left out by `character`."""
    rng = random.Random(f"{name} texts {seed}")
    yield from ("", " ", "  ", "\n", "\u0000", "\U0010ffff", "e\u0301é")
    for _ in range(n - 7):
        yield text(rng, tokens)


def vocabulary_of(doc):
    """What to build texts of, in an order that does not depend on the run."""
    return sorted(set(doc["model"]["vocab"]) | {t["content"] for t in doc["added_tokens"]})
