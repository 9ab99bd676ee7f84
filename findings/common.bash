# Sourced by the scripts beside it: pinned public packages in a temporary folder, network namespaces, the verdict.
# Debian 12 with its package index (`apt-get update`), python3 with pip; what else is needed, each script says.
set -euo pipefail

tmp=$(mktemp -d)
spaces=()
leave_spaces() {
    local space
    for space in "${spaces[@]}"; do
        ip netns pids "$space" | xargs -r kill 2>/dev/null || true
        ip netns del "$space"
    done
    spaces=()
}
finish() {
    local code=$?
    leave_spaces
    rm -rf "$tmp"
    [ $code = 0 ] || exit 1
}
trap finish EXIT
# shellcheck disable=SC2034 # the user's own, for cargo
home=$HOME
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export HOME=$tmp PYTHONPATH=$tmp/python:$here PYTHONDONTWRITEBYTECODE=1

failed() {
    echo "changed: $*"
    exit 1
}

# debian NAME=VERSION...: what is not installed at that version is unpacked below $tmp with all it depends on.
debian() {
    local missing libraries package installed=yes
    for package in "$@"; do
        [ "$(dpkg-query -Wf '${Version}' "${package%%=*}" 2>/dev/null)" = "${package#*=}" ] || installed=no
    done
    [ $installed = no ] || return 0
    apt-get -qq -s --no-install-recommends install "$@" >"$tmp/plan" 2>"$tmp/apt" ||
        failed "Debian does not offer $* ($(grep -m1 ^E "$tmp/apt"))"
    missing=$(sed -n 's/^Inst \([^ ]*\) .*(\([^ ]*\) .*/\1=\2/p' "$tmp/plan")
    [ -n "$missing" ] || return 0
    mkdir -p "$tmp/debs" "$tmp/root"
    # shellcheck disable=SC2086 # one argument a package
    (cd "$tmp/debs" && apt-get -qq -o APT::Sandbox::User=root download $missing >/dev/null) || failed "no download of $*"
    find "$tmp/debs" -name '*.deb' -exec dpkg-deb -x {} "$tmp/root" \; -delete
    libraries=$(find "$tmp/root" -name '*.so*' -printf '%h\n' | sort -u | sed '\|/pmds-|d' | paste -sd:)
    export LD_LIBRARY_PATH=$libraries PATH=$tmp/root/usr/sbin:$tmp/root/usr/bin:$tmp/root/sbin:$tmp/root/bin:$PATH
}

# pypi NAME==VERSION...
pypi() {
    python3 -m pip install -q --no-cache-dir --disable-pip-version-check --root-user-action=ignore \
        --target "$tmp/python" "$@" || failed "PyPI does not offer $*"
}

# space NAME makes a network namespace, at NAME COMMAND... runs in it, wire A DEVICE B DEVICE joins two, and
# leave_spaces ends what runs in them.
space() {
    ip netns add "$1$$"
    spaces+=("$1$$")
    ip -n "$1$$" link set lo up
}
at() {
    local space=$1$$
    shift
    ip netns exec "$space" "$@"
}
wire() {
    ip link add "$2" netns "$1$$" type veth peer name "$4" netns "$3$$"
    ip -n "$1$$" link set dev "$2" up
    ip -n "$3$$" link set dev "$4" up
}
address() {
    ip -n "$1$$" address add "$3" dev "$2"
}

# same WHAT SEEN STATED, and at the end: verdict.
wrong=0
same() {
    if [ "$2" = "$3" ]; then
        echo "  $1: $2"
    else
        echo "  $1: $2 (stated: $3)"
        wrong=1
    fi
}
verdict() {
    [ $wrong = 0 ] || failed "see the lines with (stated: ...)"
    echo "as stated"
}
