# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Completion of mtlsnoop's options for fish. --help of the installed version names the options, so this file has no list of its
# own: a line of --help names an option and its argument, "  -r, --read=FILE".

complete -c mtlsnoop -f

for line in (COLUMNS=200 LC_ALL=C command mtlsnoop --help 2>/dev/null)
    # the letter or nothing, the long name, the argument or nothing
    set -l found (string match -r -g '^ +((?:-[^ ,], +)?)--([a-z-]+)((?:\[?=[^\] ]*\]?)?)' -- $line)
    or continue
    set -l names -l $found[2]
    test -n "$found[1]"; and set -a names -s (string sub -s 2 -l 1 -- $found[1])
    set -l argument (string trim -c '[]=' -- $found[3])
    switch "$argument"
        case ''
            complete -c mtlsnoop $names
        case '*FILE*' '*DIR*' PATH
            complete -c mtlsnoop $names -r -F
        case IF
            complete -c mtlsnoop $names -x -a "(command ls /sys/class/net) any"
        case '*|*'
            # words in small letters are values; SIZE|TIME has none
            set -l words (string split '|' -- $argument | string match -r '^[a-z].*')
            complete -c mtlsnoop $names -x -a "$words"
        case '*'
            complete -c mtlsnoop $names -x
    end
end
