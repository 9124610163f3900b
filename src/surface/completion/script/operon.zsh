#compdef operon
# zsh completion for operon: save as _operon in a folder of $fpath, or after compinit  eval "$(operon completion zsh)"
_operon() {
  local line word
  local -a typed open closed openTexts closedTexts
  typed=("${(@Q)words[2,CURRENT-1]}")
  while IFS= read -r line; do
    if [[ $line == :* ]]; then
      [[ $line == :0 ]] && _files
      continue
    fi
    word=${line%%$'\t'*}
    [[ $line == *$'\t'* ]] && line="$word  -- ${line#*$'\t'}"
    if [[ $word == *[/:=] ]]; then
      open+=("$word"); openTexts+=("$line")
    else
      closed+=("$word"); closedTexts+=("$line")
    fi
  done < <(command operon complete -- "${typed[@]}" "${(Q)PREFIX}" 2>/dev/null </dev/null)
  local -i code=1
  (( $#closed )) && compadd -l -d closedTexts -- "${closed[@]}" && code=0
  (( $#open )) && compadd -S '' -d openTexts -- "${open[@]}" && code=0
  return code
}
if [[ ${funcstack[1]} == _operon ]]; then _operon "$@"; else compdef _operon operon; fi
