#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# similarity: cuts found where they are, files that lie refused with a reason.
set -u
. "$(dirname "$0")/tap.sh"
similarity=$tools/similarity

# records VECTOR...: JSON Lines, four records a second.
records()
{
    i=0
    for vector in "$@"; do
        echo "{\"stream\":\"s\",\"frame\":$i,\"pts\":$((i * 250000000)),\"running_time\":null,\
\"utc\":null,\"model\":\"m\",\"digest\":\"d\",\"id\":\"gemma4-pooled\",\"shape\":[1,3],\
\"region\":null,\"region_id\":null,\"track\":null,\"label\":null,\"embedding\":[$vector]}"
        i=$((i + 1))
    done
}

# says PATTERN COMMAND...
says()
{
    said=$1
    shift
    "$@" 2>&1 | tee "$tmp/says.log"
    grep -q -- "$said" "$tmp/says.log"
}

# npy N COLS BYTES: a header that claims N x COLS values, before so many bytes.
npy()
{
    header="{'descr': '${4:-<f4}', 'fortran_order': False, 'shape': ($1, $2), }"
    printf '\223NUMPY\001\000\166\000%-117s\n' "$header"
    head -c "$3" /dev/zero
}

records 1,0,0 1,0.01,0 1,0,0.01 1,0.01,0 0,1,0 0,1,0.01 0.01,1,0 0,1,0.01 >"$tmp/cut.jsonl"
check 'a cut is found where it is' \
    says '8 embeddings, 1 cut at 1.00 s' "$similarity" --jsonl "$tmp/cut.jsonl" --out "$tmp/cut.png"
check 'the picture is a PNG of the size asked for' sh -c \
    '"$1" --jsonl "$2" --side 600 --out "$3" && [ "$(head -c 24 "$3" | od -An -v -tx1 |
     tr -d " \n")" = 89504e470d0a1a0a0000000d494844520000025800000258 ]' \
    sh "$similarity" "$tmp/cut.jsonl" "$tmp/small.png"
records 1,0,0 0.99,0.1,0 0.97,0.2,0 0.95,0.3,0 0.91,0.4,0 0.86,0.5,0 0.8,0.6,0 0.71,0.7,0 \
    >"$tmp/pan.jsonl"
check 'a steady change is no cut' \
    says '8 embeddings, 0 cuts' "$similarity" --jsonl "$tmp/pan.jsonl" --out "$tmp/pan.png"
records 1,0,0 1,0,0 1,0,0 1,0,0 1,0,0 >"$tmp/still.jsonl"
check 'a still has no cut' \
    says '5 embeddings, 0 cuts' "$similarity" --jsonl "$tmp/still.jsonl" --out "$tmp/still.png"
records 0,0,0 >"$tmp/one.jsonl"
check 'one record of zeros is drawn too' \
    says '1 embeddings, 0 cuts' "$similarity" --jsonl "$tmp/one.jsonl" --out "$tmp/one.png"
check 'a film that cannot be decoded costs the small frames alone' \
    says 'no small frames' "$similarity" --jsonl "$tmp/cut.jsonl" --film "$tmp/cut.jsonl" \
    --out "$tmp/nofilm.png"

refuses 'a missing file is named' 'none.jsonl: No such file' \
    "$similarity" --jsonl "$tmp/none.jsonl" --out "$tmp/no.png"
head -c 150 "$tmp/cut.jsonl" >"$tmp/short.jsonl"
refuses 'a line that is cut off is named' 'short.jsonl:1: ' \
    "$similarity" --jsonl "$tmp/short.jsonl" --out "$tmp/no.png"
: >"$tmp/empty.jsonl"
refuses 'an empty file is refused' 'holds no embedding' \
    "$similarity" --jsonl "$tmp/empty.jsonl" --out "$tmp/no.png"
head -c 200000 /dev/zero | tr '\0' '[' >"$tmp/deep.jsonl"
refuses 'deep nesting is refused' 'depth' \
    "$similarity" --jsonl "$tmp/deep.jsonl" --out "$tmp/no.png"
sed 's/\[1,3\]/[1,4]/' "$tmp/cut.jsonl" >"$tmp/shape.jsonl"
refuses 'a shape that lies is refused' 'embedding has 3 numbers, shape says 1 x 4' \
    "$similarity" --jsonl "$tmp/shape.jsonl" --out "$tmp/no.png"
sed 's/\[1,3\]/[1,9223372036854775807]/' "$tmp/cut.jsonl" >"$tmp/shape.jsonl"
refuses 'a shape beyond memory is refused' 'embedding has 3 numbers' \
    "$similarity" --jsonl "$tmp/shape.jsonl" --out "$tmp/no.png"
sed '3s/embedding":\[1/embedding":["1"/' "$tmp/cut.jsonl" >"$tmp/string.jsonl"
refuses 'a string for a number is refused' 'string.jsonl:3: ' \
    "$similarity" --jsonl "$tmp/string.jsonl" --out "$tmp/no.png"
sed '3s/embedding":\[1/embedding":[1e300/' "$tmp/cut.jsonl" >"$tmp/large.jsonl"
refuses 'a number beyond float32 is refused' 'beyond float32' \
    "$similarity" --jsonl "$tmp/large.jsonl" --out "$tmp/no.png"

cp "$tmp/cut.jsonl" "$tmp/lie.npy.jsonl"
npy 99999999999 3 96 >"$tmp/lie.npy"
refuses 'an NPY shape larger than its file is refused' 'larger than the file' \
    "$similarity" --npy "$tmp/lie.npy" --out "$tmp/no.png"
npy 18446744073709551615 18446744073709551615 96 >"$tmp/lie.npy"
refuses 'an NPY shape that overflows is refused' 'larger than the file' \
    "$similarity" --npy "$tmp/lie.npy" --out "$tmp/no.png"
npy 8 3 96 '<f8' >"$tmp/lie.npy"
refuses 'an NPY of another type is refused' 'not little-endian float32' \
    "$similarity" --npy "$tmp/lie.npy" --out "$tmp/no.png"
npy 9 3 108 >"$tmp/lie.npy"
refuses 'an NPY with more rows than records is refused' 'fewer records' \
    "$similarity" --npy "$tmp/lie.npy" --out "$tmp/no.png"
npy 8 3 96 >"$tmp/lie.npy"
refuses 'JSON Lines and NPY that differ are refused' 'differ at record 0' \
    "$similarity" --jsonl "$tmp/cut.jsonl" --npy "$tmp/lie.npy" --out "$tmp/no.png"
refuses 'an output folder that is missing is named' 'none/no.png' \
    "$similarity" --jsonl "$tmp/cut.jsonl" --out "$tmp/none/no.png"
check 'nothing was written where it refused' test ! -e "$tmp/no.png"
finish
