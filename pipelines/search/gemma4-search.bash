# SPDX-License-Identifier: Apache-2.0
#
# Completion for bash: commands, the options that a command's --help names, files.

_gemma4_search()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local words=

    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        words=$("${COMP_WORDS[0]}" --help 2>/dev/null | sed -n 's/^  gemma4-search \([a-z]*\) .*/\1/p')
        words="$words --help --version"
    else
        case $before in
        --precision) words='auto f32 bf16 int8' ;;
        --model)
            mapfile -t COMPREPLY < <(compgen -d -- "$word")
            return
            ;;
        esac
        case $word in
        -*)
            words=$("${COMP_WORDS[0]}" "${COMP_WORDS[1]}" --help 2>/dev/null |
                grep -o -- '^ *\(-[a-z], \)\?--[a-z-]*' | grep -o -- '--[a-z-]*$')
            ;;
        esac
    fi
    if [ -n "$words" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
}
complete -o filenames -F _gemma4_search gemma4-search
