#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# pgvector.sh load FILE.jsonl...
# gemma4-search embed TEXT --model DIR | pgvector.sh query [N]
#
# Embeddings in PostgreSQL with pgvector (Debian: postgresql-17-pgvector): JSON Lines into the table
# gemma4_embedding, with an index, and the N (10) frames nearest to a vector out of it, as lines of
# seconds, cosine and stream. A stream that is loaded again is replaced. The database is the one that
# psql opens: PGDATABASE, PGHOST and so on.
set -eu

ask()
{
    psql -X -q -A -t -F "$(printf '\t')" -v ON_ERROR_STOP=1 "$@"
}

# The lines go in as one column of text, by CSV with a quote and a delimiter that JSON has no use
# for; everything else is SQL. Either all of it is loaded or nothing.
load()
{
    for file; do
        [ -r "$file" ] || {
            echo "pgvector.sh: $file: no such file" >&2
            exit 1
        }
    done
    for file; do
        cat -- "$file"
        echo
    done | ask --single-transaction \
        -c 'SET client_min_messages = warning' \
        -c 'CREATE EXTENSION IF NOT EXISTS vector' \
        -c 'CREATE TEMP TABLE incoming(line text) ON COMMIT DROP' \
        -c "\\copy incoming FROM pstdin WITH (FORMAT csv, QUOTE e'\\x01', DELIMITER e'\\x02') WHERE line IS NOT NULL" \
        -c "
DO \$\$
DECLARE
    shape json := (SELECT line::json -> 'shape' FROM incoming LIMIT 1);
BEGIN
    IF shape IS NULL OR (shape ->> 0)::int <> 1 THEN
        RAISE 'expected embeddings of one row (pooled or joint), not of shape %', shape;
    END IF;
    EXECUTE format('CREATE TABLE IF NOT EXISTS gemma4_embedding(
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        stream text NOT NULL, frame bigint, pts bigint, utc bigint, model text, digest text,
        kind text, region json, track bigint, label text, embedding vector(%s) NOT NULL)',
        (shape ->> 1)::int);
    DELETE FROM gemma4_embedding WHERE stream IN (SELECT line::json ->> 'stream' FROM incoming);
    INSERT INTO gemma4_embedding(stream, frame, pts, utc, model, digest, kind, region, track, label,
                                 embedding)
    SELECT j ->> 'stream', (j ->> 'frame')::bigint, (j ->> 'pts')::bigint, (j ->> 'utc')::bigint,
           j ->> 'model', j ->> 'digest', j ->> 'id', j -> 'region', (j ->> 'track')::bigint,
           j ->> 'label', (j ->> 'embedding')::vector
    FROM (SELECT line::json AS j FROM incoming) AS lines;
    IF (shape ->> 1)::int <= 2000 THEN -- the most that an index takes
        CREATE INDEX IF NOT EXISTS gemma4_embedding_cosine ON gemma4_embedding
            USING hnsw (embedding vector_cosine_ops);
    END IF;
END
\$\$" \
        -c "SELECT count(*) || ' embeddings of ' || count(DISTINCT stream) || ' streams'
            FROM gemma4_embedding"
}

# The index answers approximately: it looks at ef_search candidates, here ten times as many as asked
# for. Without it (PGOPTIONS='-c enable_indexscan=off') the answer is exact.
query()
{
    vector=$(cat)
    ask -v vector="$vector" -v n="$1" <<'END'
SELECT '[0]'::vector \g /dev/null
SELECT set_config('hnsw.ef_search', least(greatest(10 * :n, 100), 1000)::text, false) \g /dev/null
SELECT round(pts / 1e9, 3), round((1 - (embedding <=> :'vector'))::numeric, 6), stream
FROM gemma4_embedding ORDER BY embedding <=> :'vector' LIMIT :n;
END
}

case ${1-} in
load)
    shift
    [ $# -gt 0 ] && load "$@" && exit
    ;;
query)
    case ${2-10} in
    '' | *[!0-9]* | ?????*) ;;
    *) query "${2-10}" && exit ;;
    esac
    ;;
esac
sed -n '4,5s/^# /usage: /p' "$0" >&2
exit 2
