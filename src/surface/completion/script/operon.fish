# fish completion for operon: add to ~/.config/fish/config.fish  operon completion fish | source
function __operon_complete
    set -l typed (commandline -opc) (string unescape -- (commandline -ct); or echo '')
    command operon complete -- $typed[2..-1] 2>/dev/null </dev/null | while read -l line
        switch $line
            case ':0'
                __fish_complete_path (commandline -ct)
            case ':*'
            case '*'
                echo -- $line
        end
    end
end
complete -c operon -f -a '(__operon_complete)'
