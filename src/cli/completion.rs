//! Completion scripts of shells.
//!
//! Owns what stands in them beyond what clap writes: in bash, names of members, pools and virtual servers, which an appliance knows.

use super::parse;
use clap_complete::Shell;

/// The script of a shell.
pub fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut parse::command(), "fairlead", &mut script);
    if shell == Shell::Bash {
        script.extend_from_slice(NAMES.as_bytes());
    }
    script
}

/// Asks the appliance when a name is to be completed; where none answers within a second, there are no names.
const NAMES: &str = r#"
_fairlead_names() {
    fairlead --timeout 1 "$1" --json 2>/dev/null | sed -n "s/^    \"$2\": \"\([^\"]*\)\",\{0,1\}$/\1/p" | sort -u
}

_fairlead_with_names() {
    _fairlead "$@"
    local word="${COMP_WORDS[COMP_CWORD]}" names=""
    local before="${COMP_WORDS[*]:0:COMP_CWORD}"
    case "$word:$before" in
        -*) return ;;
        *" member enable"|*" member drain"|*" member offline"|*" probe now"|*" probe history"|*" --member"|*" pool force "*)
            names="$(_fairlead_names members name)" ;;
        *" pool force"|*" pool auto"|*" exclude list"|*" exclude add"|*" exclude remove"|*" drill"|*" --pool")
            names="$(_fairlead_names members pool)" ;;
        *" --virtual-server")
            names="$(_fairlead_names virtual-servers name)" ;;
    esac
    if [[ -n "$names" ]]; then
        COMPREPLY=($(compgen -W "$names" -- "$word"))
    fi
}

complete -F _fairlead_with_names -o bashdefault -o default fairlead
"#;
