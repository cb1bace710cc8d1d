#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The vectors read by others: the ten frames nearest to a sentence are those of gemma4-search, by
# NumPy and sqlite-vec out of its database, by pgvector and Milvus out of JSON Lines.
set -u
. "$G4_SOURCE/tests/pipelines/tap.sh"
. "$G4_SOURCE/tests/search/films.sh"
text='a red car'

has_module()
{
    python3 -c "import $1" 2>/dev/null
}

# same_top COMMAND...: its lines are the ten frames that gemma4-search has found.
same_top()
{
    "$@" >"$tmp/top.tsv" && "$python" "$here/compare_tops.py" "$tmp/top.json" "$tmp/top.tsv"
}

# same_top_of_vector COMMAND...: the same, with the sentence's vector on standard input.
same_top_of_vector()
{
    same_top "$@" <"$tmp/vector.json"
}

make_films sea street tower
for name in sea street tower; do
    check "$name as JSON Lines" "$G4_PIPELINES/embed_film.sh" "$joint" "$tmp/$name.mov" \
        "$tmp/$name.mov" precision=f32
done
check 'the same films as an index' "$search" index "$tmp/sea.mov" "$tmp/street.mov" \
    "$tmp/tower.mov" --db "$tmp/joint.db" --model "$joint" --precision f32 --rate 0
"$search" embed --text "$text" --model "$joint" --precision f32 >"$tmp/vector.json"
"$search" query "$text" --db "$tmp/joint.db" --precision f32 --frames --json >"$tmp/top.json"

check 'query_index.py finds the same ten frames' same_top "$python" \
    "$G4_PIPELINES/query_index.py" "$tmp/joint.db" "$text" 10 --precision f32
refuses 'and says what is no index' 'none.db' \
    "$python" "$G4_PIPELINES/query_index.py" "$tmp/none.db" "$text"

# ---------------------------------------------------------------- sqlite-vec
if has_module sqlite_vec; then
    check 'sqlite-vec finds them in the table' same_top \
        python3 "$here/query_sqlite_vec.py" "$tmp/joint.db" "$tmp/vector.json"
else
    skip 'sqlite-vec finds them in the table' 'Python has no sqlite_vec'
fi

# ---------------------------------------------------------------- Milvus
if has_module milvus_lite && has_module pymilvus; then
    check 'Milvus takes the JSON Lines' python3 "$G4_PIPELINES/milvus.py" load "$tmp/milvus.db" \
        "$tmp/sea.mov.jsonl" "$tmp/street.mov.jsonl" "$tmp/tower.mov.jsonl"
    check 'Milvus takes them again' python3 "$G4_PIPELINES/milvus.py" load "$tmp/milvus.db" \
        "$tmp/street.mov.jsonl"
    check 'Milvus finds the same ten frames' same_top_of_vector \
        python3 "$G4_PIPELINES/milvus.py" query "$tmp/milvus.db"
else
    skip 'Milvus finds the same ten frames' 'Python has no pymilvus and milvus_lite'
fi

# ---------------------------------------------------------------- PostgreSQL
# A cluster of its own, without a port, by a user that is not root, whom PostgreSQL refuses.
cluster=
for control in /usr/share/postgresql/*/extension/vector.control; do
    [ ! -e "$control" ] || cluster=/usr/lib/postgresql/$(echo "$control" | cut -d/ -f5)/bin
done

as_postgres()
{
    if [ "$(id -u)" -eq 0 ]; then
        setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@"
    else
        "$@"
    fi
}

start_cluster()
{
    [ "$(id -u)" -ne 0 ] || chown postgres "$pg" || return 1
    as_postgres "$cluster/initdb" -D "$pg/data" -A trust -U postgres -E UTF8 --locale=C.UTF-8 &&
        as_postgres "$cluster/pg_ctl" -D "$pg/data" -l "$pg/log" -w -t 120 \
            -o "-c listen_addresses= -c unix_socket_directories='$pg'" start </dev/null
}

if [ -n "$cluster" ]; then
    pg=$(mktemp -d /tmp/gemma4-pg.XXXXXX)
    trap 'as_postgres "$cluster/pg_ctl" -D "$pg/data" -m immediate stop >/dev/null 2>&1
        rm -rf "$pg" "$tmp"' EXIT
    export PGHOST="$pg" PGUSER=postgres PGDATABASE=postgres
    check 'PostgreSQL starts' start_cluster
    check 'pgvector takes the JSON Lines' "$G4_PIPELINES/pgvector.sh" load \
        "$tmp/sea.mov.jsonl" "$tmp/street.mov.jsonl" "$tmp/tower.mov.jsonl"
    check 'pgvector takes them again' "$G4_PIPELINES/pgvector.sh" load "$tmp/street.mov.jsonl"
    check 'each is there once' \
        test "$(psql -XAtc 'SELECT count(*), count(DISTINCT (stream, pts)) FROM gemma4_embedding')" \
        = '48|48'
    check 'pgvector finds the same ten frames' \
        same_top_of_vector "$G4_PIPELINES/pgvector.sh" query
    export PGOPTIONS='-c enable_seqscan=off'
    check 'by its index' sh -c 'psql -XAtc "EXPLAIN SELECT id FROM gemma4_embedding
        ORDER BY embedding <=> '"'"'$(cat "$1")'"'"' LIMIT 10" | grep gemma4_embedding_cosine' \
        sh "$tmp/vector.json"
    check 'as well' same_top_of_vector "$G4_PIPELINES/pgvector.sh" query
    unset PGOPTIONS
    printf '%s\n' "{\"stream\":\"x'); DROP TABLE gemma4_embedding; --\",\"shape\":[1,40],\"id\":\"\\\\\"," \
        >"$tmp/cut.jsonl"
    refuses 'a line that was cut is refused' 'json' "$G4_PIPELINES/pgvector.sh" load \
        "$tmp/sea.mov.jsonl" "$tmp/cut.jsonl"
    check 'and nothing is lost' \
        same_top_of_vector "$G4_PIPELINES/pgvector.sh" query
    refuses 'soft tokens are refused' 'one row' sh -c \
        'echo "{\"stream\":\"s\",\"shape\":[4,40],\"embedding\":[]}" >"$1"; "$2" load "$1"' \
        sh "$tmp/tokens.jsonl" "$G4_PIPELINES/pgvector.sh"
else
    skip 'pgvector finds the same ten frames' 'no pgvector'
fi
finish
