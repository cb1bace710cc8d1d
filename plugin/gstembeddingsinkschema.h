/* SPDX-License-Identifier: Apache-2.0
 *
 * The database that embeddingsink format=sqlite writes and gemma4-search reads.
 *
 * model      what made the vectors: kind is "pooled", "joint" or "tokens", rows and cols a
 *            vector's shape; precision and settings (a JSON object) where the writer knows them
 * stream     what was embedded; uri, size, mtime and duration (ns) where the writer knows them,
 *            done 1 when all of it is there
 * embedding  times in nanoseconds; region "" for the whole frame, else "[x,y,w,h]"; track -1 for
 *            none; vector little-endian float32, row-major. A larger id was written later.
 */
#ifndef GST_EMBEDDING_SINK_SCHEMA_H
#define GST_EMBEDDING_SINK_SCHEMA_H

#define GST_EMBEDDING_SCHEMA_APPLICATION_ID 0x47344442 /* "G4DB" */
#define GST_EMBEDDING_SCHEMA_VERSION 1                 /* user_version */

#define GST_EMBEDDING_SCHEMA                                                                       \
    "CREATE TABLE IF NOT EXISTS model(id INTEGER PRIMARY KEY, name TEXT, digest TEXT, kind TEXT, " \
    "precision TEXT, rows INTEGER, cols INTEGER, settings TEXT, "                                  \
    "UNIQUE(digest, kind, rows, cols));"                                                           \
    "CREATE TABLE IF NOT EXISTS stream(id INTEGER PRIMARY KEY, name TEXT UNIQUE, uri TEXT, "       \
    "size INTEGER, mtime INTEGER, duration INTEGER, done INTEGER);"                                \
    "CREATE TABLE IF NOT EXISTS embedding(id INTEGER PRIMARY KEY, stream INTEGER REFERENCES "      \
    "stream, model INTEGER REFERENCES model, frame INTEGER, pts INTEGER NOT NULL, utc INTEGER, "   \
    "region TEXT NOT NULL DEFAULT '', track INTEGER NOT NULL DEFAULT -1, label TEXT, "             \
    "vector BLOB NOT NULL, UNIQUE(stream, model, pts, region, track));"                            \
    "PRAGMA application_id = 1194607682;"                                                          \
    "PRAGMA user_version = 1;"

#endif /* GST_EMBEDDING_SINK_SCHEMA_H */
