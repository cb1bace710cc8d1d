#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""milvus.py load STORE FILE.jsonl...
gemma4-search embed TEXT --model DIR | milvus.py query STORE [N]

Embeddings in Milvus (pip install pymilvus milvus-lite): JSON Lines into the collection
gemma4_embedding, and the N (10) frames nearest to a vector out of it, as lines of seconds, cosine
and stream. A stream that is loaded again is replaced. STORE is a file of its own that Milvus Lite
keeps (NAME.db), or the address of a server (http://host:19530).
"""
import json
import sys

from pymilvus import MilvusClient

NAME = "gemma4_embedding"
BATCH = 1000
FIELDS = ("stream", "frame", "pts", "utc", "model", "digest", "region", "track", "label")


def records(paths):
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                record = json.loads(line)
                if record["shape"][0] != 1:
                    sys.exit(f"milvus.py: {path}:{number}: expected embeddings of one row (pooled "
                             f"or joint), not of shape {record['shape']}")
                yield record


def load(client, paths):
    streams, rows, n = set(), [], 0
    for record in records(paths):
        if not client.has_collection(NAME):
            client.create_collection(NAME, dimension=record["shape"][1], metric_type="COSINE",
                                     auto_id=True)
        if record["stream"] not in streams:
            streams.add(record["stream"])
            quoted = json.dumps(record["stream"], ensure_ascii=False)
            client.delete(NAME, filter=f"stream == {quoted}")
        rows.append({"vector": record["embedding"], "kind": record["id"],
                     **{field: record[field] for field in FIELDS if record[field] is not None}})
        if len(rows) == BATCH:
            client.insert(NAME, rows)
            rows = []
        n += 1
    if rows:
        client.insert(NAME, rows)
    print(f"{n} embeddings of {len(streams)} streams loaded")


def query(client, vector, top):
    client.load_collection(NAME)
    for hit in client.search(NAME, data=[vector], limit=top, output_fields=["stream", "pts"])[0]:
        frame = hit["entity"]
        print("%.3f\t%.6f\t%s" % (frame["pts"] / 1e9, hit["distance"], frame["stream"]))


def main():
    if len(sys.argv) >= 4 and sys.argv[1] == "load":
        load(MilvusClient(sys.argv[2]), sys.argv[3:])
    elif 3 <= len(sys.argv) <= 4 and sys.argv[1] == "query":
        vector = json.load(sys.stdin)
        query(MilvusClient(sys.argv[2]), vector, int((sys.argv[3:] or ["10"])[0]))
    else:
        sys.exit("usage: " + "\n       ".join(__doc__.splitlines()[:2]))


if __name__ == "__main__":
    main()
