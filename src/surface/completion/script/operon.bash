# bash completion for operon: add to ~/.bashrc  eval "$(operon completion bash)"
_operon() {
  local left=${COMP_LINE:0:COMP_POINT} word= kept= quote= isBegun= isForBash= char next line i
  local -a words=() found=()
  COMPREPLY=()
  # The words as bash would read them. Nothing is ever expanded: what they hold may be anybody's name.
  for ((i = 0; i < ${#left}; i++)); do
    char=${left:i:1}
    next=${left:i+1:1}
    if [[ $char == "$quote" ]]; then
      quote=
    elif [[ $char == \\ && $quote != \' && ( ! $quote || $next == [\\\"\$\`] ) ]]; then
      word+=$next
      ((++i))
    elif [[ $quote ]]; then
      [[ $quote == \" && $char == [\$\`] ]] && isForBash=1
      word+=$char
    elif [[ $char == [[:blank:]] ]]; then
      [[ $isBegun ]] && words+=("$word")
      # A file stands behind a redirection.
      [[ $isBegun && $word != *[\<\>] ]] && isForBash=
      word= kept= isBegun=
      continue
    elif [[ $char == [\'\"] ]]; then
      # Readline replaces what stands behind a quote that is open.
      quote=$char kept=$word
    else
      [[ $char == [\$\`\<\>\;\|\&\(\)] ]] && isForBash=1
      # Else only what stands behind the last of these, and an "@" itself.
      [[ $char == @ && $COMP_WORDBREAKS == *@* ]] && kept=$word
      word+=$char
      [[ $char == [:=] && $COMP_WORDBREAKS == *"$char"* ]] && kept=$word
    fi
    isBegun=1
  done
  # A word that the shell would expand, or a file to redirect to, is the shell's to complete.
  if [[ $isForBash ]]; then
    compopt -o bashdefault -o default
    return
  fi
  _operon_ask
  # In quotes the only word is closed by a quote: more of it is found before that.
  while [[ $quote && ${#found[@]} -eq 1 && ${found[0]} == *[/:=] && ${found[0]} != "$word" ]]; do
    word=${found[0]}
    _operon_ask
    [[ ${#found[@]} -eq 0 ]] && found=("$word")
  done
  for ((i = 0; i < ${#found[@]}; i++)); do
    [[ ${found[i]} == "$kept"* ]] || continue
    _operon_quote
    COMPREPLY+=("${found[i]}")
  done
}
# What may stand in place of the word, to found.
_operon_ask() {
  found=()
  while IFS= read -r line; do
    if [[ $line == :* ]]; then
      [[ $line == :0 ]] && compopt -o default
      continue
    fi
    found+=("${line%%$'\t'*}")
  done < <(command operon complete -- "${words[@]:1}" "$word" 2>/dev/null </dev/null)
}
# What stands in place of a word so that it means that word, to found[i]: its rest behind what is kept.
_operon_quote() {
  local rest=${found[i]:${#kept}} text= at
  if [[ ! $quote ]]; then
    [[ $rest ]] && printf -v text %q "$rest"
    # What ends with one of these may go on.
    [[ ${found[i]} == *[/:=] ]] || text+=' '
  else
    for ((at = 0; at < ${#rest}; at++)); do
      char=${rest:at:1}
      case $quote$char in
        \'\') text+="'\\''" ;;
        # No backslash keeps the history out of these quotes.
        \"!) text+='"\!"' ;;
        \"[\\\"\$\`]) text+=\\$char ;;
        *) text+=$char ;;
      esac
    done
  fi
  found[i]=$text
}
complete -o nospace -F _operon operon
