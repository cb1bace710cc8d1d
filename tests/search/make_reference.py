#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make_reference.py CHECKPOINT > reference.json: what gemma4-search must answer.

Embeds the frames of films.py and some sentences by Hugging Face Transformers 5.23 in float32, and
merges the scores into moments by the rule that pipelines/search/moments.h states. Fails where two
answers are too near for float32 to tell them apart. Needs torch, transformers and pillow.
"""
import json
import pathlib
import statistics
import sys

import numpy as np
import torch
import transformers
from PIL import Image
from transformers import GemmaTokenizer
from transformers.models.embedding_gemma2 import EmbeddingGemma2Model
from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil

import films

QUERIES = ["a red car", "waves on the sea", "a tall tower at night, seen from below",
           "Straße mit Autos", "a"]
APART = 1e-4


class Reference:
    def __init__(self, folder):
        self.model = EmbeddingGemma2Model.from_pretrained(folder, dtype=torch.float32).eval()
        self.tokenizer = GemmaTokenizer.from_pretrained(folder)
        prompts = json.loads((folder / "config_sentence_transformers.json").read_text())
        self.prompt = prompts["prompts"]["query"]
        video = json.loads((folder / "processor_config.json").read_text())["video_processor"]
        self.pictures = Gemma4ImageProcessorPil(
            patch_size=video["patch_size"], pooling_kernel_size=video["pooling_kernel_size"],
            max_soft_tokens=video["max_soft_tokens"])

    def vector(self, text, **media):
        encoded = self.tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            states = self.model(**encoded, **media).last_hidden_state[0]
        return torch.nn.functional.normalize(states.mean(0), dim=-1).double().numpy()

    def text(self, text):
        return self.vector(self.prompt + text)

    def frame(self, name, t):
        width, height = films.SIZES[name]
        picture = Image.frombytes("RGB", (width, height), films.frame(name, t))
        out = self.pictures([picture], return_tensors="pt")
        n = int(out["num_soft_tokens_per_image"][0])
        return self.vector("<|image>" + "<|image|>" * n + "<image|>",
                           pixel_values=out["pixel_values"].float(),
                           image_position_ids=out["image_position_ids"])


def moments(scores):
    """scores: {film: [score of frame t]}"""
    mean = statistics.fmean(s for film in scores.values() for s in film)
    order = sorted(((s, name, t) for name, film in scores.items() for t, s in enumerate(film)),
                   reverse=True)
    taken, out = set(), []
    for best, name, t in order:
        if (name, t) in taken:
            continue
        film, least = scores[name], (mean + best) / 2
        assert all(abs(s - least) > APART / 20 for s in film), (name, t)
        start = end = t
        while start > 0 and film[start - 1] >= least and (name, start - 1) not in taken:
            start -= 1
        while end + 1 < len(film) and film[end + 1] >= least and (name, end + 1) not in taken:
            end += 1
        taken.update((name, k) for k in range(start, end + 1))
        if out:
            assert out[-1]["score"] - best > APART / 20, (name, t)
        out.append({"film": name, "start": start, "best": t, "end": end, "score": round(best, 7)})
    return out


def main():
    reference = Reference(pathlib.Path(sys.argv[1]))
    vectors = {name: [reference.frame(name, t) for t in range(films.FRAMES)]
               for name in films.SIZES}
    answers = []
    for text in QUERIES:
        query = reference.text(text)
        scores = {name: [float(np.dot(query, v)) for v in film] for name, film in vectors.items()}
        answers.append({"query": text, "moments": moments(scores)[:8]})
    json.dump({"reference": f"Transformers {transformers.__version__}, float32",
               "answers": answers}, sys.stdout, indent=1, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
