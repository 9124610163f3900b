# bash completion for operon: add to ~/.bashrc  eval "$(operon completion bash)"
_operon() {
  local left=${COMP_LINE:0:COMP_POINT} piece plain line i
  local -a words=()
  # Bash also splits at ":" and "=": pieces without a blank between them are one word.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    piece=${COMP_WORDS[i]}
    if [[ $i == 0 || $left == [[:blank:]]* ]]; then
      left=${left#"${left%%[![:blank:]]*}"}
      words+=("")
    fi
    [[ $i == "$COMP_CWORD" ]] && piece=$left
    words[${#words[@]}-1]+=$piece
    left=${left#"$piece"}
  done
  local typed=${words[${#words[@]}-1]}
  COMPREPLY=()
  # A word that is quoted, or holds what the shell would expand, is not completed.
  [[ $typed == *[\'\"$`]* ]] && return
  for i in "${!words[@]}"; do
    case ${words[i]} in
      \'*\' | \"*\") words[i]=${words[i]:1:${#words[i]}-2} ;;
      *) IFS= read -d '' plain <<<"${words[i]}"; words[i]=${plain%$'\n'} ;;
    esac
  done
  # What stands before the last ":" or "=" stays: bash replaces only the piece behind it.
  local kept=
  [[ $COMP_WORDBREAKS == *:* && $typed == *:* ]] && kept=${typed%"${typed##*:}"}
  [[ $COMP_WORDBREAKS == *=* && $typed == *=* ]] && kept=${typed%"${typed##*=}"}
  local -a found=()
  while IFS= read -r line; do
    if [[ $line == :* ]]; then
      [[ $line == :0 ]] && compopt -o default
      continue
    fi
    printf -v plain %q "${line%%$'\t'*}"
    [[ $plain == *[/:=] ]] || plain+=' '
    found+=("${plain#"$kept"}")
  done < <(command operon complete -- "${words[@]:1}" 2>/dev/null </dev/null)
  COMPREPLY=("${found[@]}")
}
complete -o nospace -F _operon operon
