# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2034,SC2154
#
# Sourced behind tap.sh by the tests of gemma4-search: the program, the checkpoints and the films.

here=$G4_SOURCE/tests/search
search=$G4_BUILD/pipelines/search/gemma4-search
joint=$G4_TEST_DATA/embedding_case
pooled=$G4_TEST_DATA/cases/embeddinggemma2

# make_films NAME...: of sea, street and tower (films.py) as $tmp/NAME.mov, 16 frames of 2 a second.
make_films()
{
    "$python" "$here/films.py" "$tmp"
    for film; do
        case $film in
        tower) width=64 height=96 ;;
        *) width=96 height=64 ;;
        esac
        gst-launch-1.0 -q filesrc location="$tmp/$film.rgb" blocksize=$((width * height * 3)) \
            ! rawvideoparse format=rgb width=$width height=$height framerate=2/1 \
            ! videoconvert ! pngenc ! qtmux ! filesink location="$tmp/$film.mov"
    done
}
