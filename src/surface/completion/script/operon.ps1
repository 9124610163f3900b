# PowerShell completion for operon: operon completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName operon -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $typed = @($commandAst.CommandElements | Select-Object -Skip 1 |
    Where-Object { $_.Extent.EndOffset -le $cursorPosition } | ForEach-Object {
      if ($_ -is [System.Management.Automation.Language.StringConstantExpressionAst]) { $_.Value } else { $_.Extent.Text }
    })
  # An empty argument does not reach a program from every PowerShell.
  $next = if ($wordToComplete -eq '') { @('--next') } else { @() }
  operon complete @next -- @typed 2>$null | ForEach-Object {
    if ($_.StartsWith(':')) { return }
    $word, $summary = $_.Split([char]9, 2)
    $text = if ($word -match '^[\w./:=@+-]+$') { $word } else { "'" + $word.Replace("'", "''") + "'" }
    if (-not $summary) { $summary = $word }
    [System.Management.Automation.CompletionResult]::new($text, $word, 'ParameterValue', $summary)
  }
}
