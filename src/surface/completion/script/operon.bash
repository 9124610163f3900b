# bash completion for operon: add to ~/.bashrc  eval "$(operon completion bash)"
_operon() {
  local left=${COMP_LINE:0:COMP_POINT} word= kept= quote= isBegun= isForBash= char line rest i
  local -a words=()
  COMPREPLY=()
  # The words as bash would read them. Nothing is ever expanded: what they hold may be anybody's name.
  for ((i = 0; i < ${#left}; i++)); do
    char=${left:i:1}
    if [[ $char == "$quote" ]]; then
      quote=
    elif [[ $char == \\ && $quote != \' ]]; then
      word+=${left:i+1:1}
      ((++i))
    elif [[ $quote ]]; then
      word+=$char
    elif [[ $char == [[:blank:]] ]]; then
      [[ $isBegun ]] && words+=("$word")
      # A file stands behind a redirection.
      [[ $isBegun && $word != *[\<\>] ]] && isForBash=
      word= kept= isBegun=
      continue
    elif [[ $char == [\'\"] ]]; then
      quote=$char isForBash=1
    else
      [[ $char == [\$\`\<\>\;\|\&\(\)] ]] && isForBash=1
      # Readline replaces only what stands behind the last of these, and an "@" itself.
      [[ $char == @ && $COMP_WORDBREAKS == *@* ]] && kept=$word
      word+=$char
      [[ $char == [:=] && $COMP_WORDBREAKS == *"$char"* ]] && kept=$word
    fi
    isBegun=1
  done
  # A word in quotes, one that the shell would expand, or a file to redirect to, is the shell's to complete.
  if [[ $isForBash ]]; then
    compopt -o bashdefault -o default
    return
  fi
  while IFS= read -r line; do
    if [[ $line == :* ]]; then
      [[ $line == :0 ]] && compopt -o default
      continue
    fi
    line=${line%%$'\t'*}
    [[ $line == "$kept"* ]] || continue
    rest=${line:${#kept}}
    [[ $rest ]] && printf -v rest %q "$rest"
    [[ $line == *[/:=] ]] || rest+=' '
    COMPREPLY+=("$rest")
  done < <(command operon complete -- "${words[@]:1}" "$word" 2>/dev/null </dev/null)
}
complete -o nospace -F _operon operon
