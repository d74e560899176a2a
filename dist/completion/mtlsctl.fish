# SPDX-License-Identifier: LGPL-2.1-or-later
# fish completion for mtlsctl. What there is to offer, mtlsctl says itself.
function __mtlsctl_complete
    set -l program (PATH="$PATH:/usr/sbin" command -s mtlsctl); or return
    set -l words (commandline -opc) (commandline -ct)
    set -l typed (commandline -ct)
    for line in ($program --complete $words[2..-1] 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path $typed
            case :folders
                __fish_complete_directories $typed
            case '*'
                echo $line
        end
    end
end
complete -c mtlsctl -f -a '(__mtlsctl_complete)'
