#!/bin/bash
# Tries the package in a bare root, where no systemd runs: installed, run, upgraded while it runs, removed, purged. Arguments: the folder of
# the packages, and the release of DPDK that the program must have. Run by scripts/packages, inside the root.
set -euo pipefail
folder=$1 dpdk=$2
export DEBIAN_FRONTEND=noninteractive
old=$folder/fairlead_0.1.0-1.deb new=$folder/fairlead_0.1.1-1.deb

say() { echo "  $1"; }
fail() {
  echo "  failed: $1" >&2
  exit 1
}
is_there() { [ -e "$1" ] || fail "$1 is missing"; }
is_gone() { [ ! -e "$1" ] || fail "$1 is still there"; }

apt-get update -qq
# Also what the trial itself needs; nothing that is only recommended.
apt-get install -qq -y --no-install-recommends iproute2 procps ethtool >/dev/null 2>&1
if ! apt-get install -y --no-install-recommends "$old" >"$folder/install.log" 2>&1; then
  tail -n 30 "$folder/install.log" >&2
  fail "it cannot be installed"
fi
version=$(fairlead --version)
[[ $version == *"DPDK $dpdk."*shared* ]] || fail "it has another DPDK: $version"
say "installed: $(echo $version)"

for file in /usr/lib/systemd/system/fairlead.service /usr/share/man/man1/fairlead.1.gz /usr/share/bash-completion/completions/fairlead \
  /usr/share/zsh/vendor-completions/_fairlead /usr/lib/sysusers.d/fairlead.conf /etc/fairlead /usr/share/doc/fairlead/handbook/first-calls.md \
  /usr/share/doc/fairlead/handbook/reference/counters.md; do
  is_there "$file"
done
trial=/usr/share/doc/fairlead/dpdk-config/trial
[ -x $trial/network ] && sh -n $trial/network || fail "the handbook's network cannot be run"
fairlead check --quiet $trial/fairlead.toml || fail "the handbook's file is not valid"
grep -rq '{{#include' /usr/share/doc/fairlead/handbook && fail "the handbook names a file that should stand in it" || true
for link in $(grep -o '(handbook/[^)#]*' /usr/share/doc/fairlead/README.md | tr -d '('); do is_there "/usr/share/doc/fairlead/$link"; done
grep -q '(docs/' /usr/share/doc/fairlead/README.md && fail "README leads to where the handbook is not" || true
is_gone /etc/fairlead/fairlead.toml
fairlead-machine status >/dev/null || fail "fairlead-machine does not run"
for group in fairlead fairlead-ro; do getent group "$group" >/dev/null || fail "there is no group $group"; done
id -nG fairlead | grep -qw fairlead-ro || fail "the user fairlead is not in fairlead-ro"
bash -n /usr/share/bash-completion/completions/fairlead
is_gone /etc/systemd/system/multi-user.target.wants/fairlead.service
systemd-analyze verify --man=no /usr/lib/systemd/system/fairlead.service 2>&1 | grep -i 'fairlead' && fail "systemd finds fault with the unit" || true
mkdir -p /etc/systemd/system/fairlead.service.d
cp /usr/share/doc/fairlead/dpdk-config/systemd/fairlead.service.d/af-packet.conf /etc/systemd/system/fairlead.service.d/
systemd-analyze security --offline=true --threshold=30 --no-pager fairlead.service | tail -n 1 | sed 's/^/  /'
for example in /usr/share/doc/fairlead/dpdk-config/examples/*.toml; do
  fairlead check --quiet "$example" || fail "$example is not valid"
done
say "the examples are valid, and the unit is well"

# Run as the unit does with the drop-in, on devices of the kernel: the user, and the capabilities that stand there.
# Packages are fetched over this machine's network; the appliance has one of its own.
ip netns add trial
trap 'ip netns delete trial' EXIT
for side in outer inner; do
  ip -n trial link add "${side}0" type veth peer name "${side}1"
  for device in "${side}0" "${side}1"; do ip -n trial link set "$device" up; done
done
cores=$(taskset -cp $$ | sed 's/.*: //; s/[,-].*//')
sed "s/^management = .*/management = $cores/; s/^workers = .*/workers = [$cores]/; /^\[appliance\]/a admin_group = \"fairlead\"\nadmin_socket_ro = \"/run/fairlead/ro.sock\"\nadmin_group_ro = \"fairlead-ro\"" \
  /usr/share/doc/fairlead/dpdk-config/examples/demo.toml >/etc/fairlead/fairlead.toml
fairlead check --quiet /etc/fairlead/fairlead.toml || fail "the trial's file is not valid"
install -d -o fairlead -g fairlead -m 750 /run/fairlead /var/lib/fairlead
has=$(sed -n 's/^AmbientCapabilities=//p' /etc/systemd/system/fairlead.service.d/af-packet.conf | tr 'A-Z ' 'a-z,' | sed 's/cap_/+/g')
umask 077
ip netns exec trial setpriv --reuid=fairlead --regid=fairlead --init-groups --inh-caps="-all,$has" --ambient-caps="-all,$has" --bounding-set="-all,$has" --no-new-privs \
  env RUNTIME_DIRECTORY=/run/fairlead STATE_DIRECTORY=/var/lib/fairlead fairlead run --config /etc/fairlead/fairlead.toml >"$folder/run.log" 2>&1 &
process=$!
umask 022
for _ in $(seq 300); do
  fairlead status >"$folder/status" 2>/dev/null && break
  kill -0 "$process" 2>/dev/null || { tail -n 5 "$folder/run.log" >&2; fail "it does not run"; }
  sleep 0.2
done
grep -q 'outer' "$folder/status" || fail "it does not answer"
# Of the groups everybody may ask, and of nobody else anybody.
ask_as() { setpriv --reuid=nobody --regid="$1" --clear-groups fairlead --socket "/run/fairlead/$2" status >/dev/null 2>&1; }
ask_as fairlead admin.sock || fail "the group fairlead may not use the admin socket"
ask_as fairlead-ro ro.sock || fail "the group fairlead-ro may not use the read-only socket"
! ask_as nogroup admin.sock || fail "everybody may use the admin socket"
! ask_as fairlead-ro admin.sock || fail "the group fairlead-ro may use the admin socket"
say "it runs without root, and answers: $(head -n 1 "$folder/status")"

if ! apt-get install -y "$new" >"$folder/upgrade.log" 2>&1; then
  tail -n 30 "$folder/upgrade.log" >&2
  fail "it cannot be upgraded"
fi
[ "$(dpkg-query -W -f '${Version}' fairlead)" = 0.1.1-1 ] || fail "it was not upgraded"
kill -0 "$process" 2>/dev/null || fail "the upgrade has ended the appliance"
fairlead status --json >/dev/null || fail "the appliance does not answer after the upgrade"
is_there /etc/fairlead/fairlead.toml
say "upgraded, and the same process answers"

kill -TERM "$process"
wait "$process" || fail "it does not end well"
is_there /var/lib/fairlead/operator.json || true
touch /var/lib/fairlead/operator.json
mkdir /etc/fairlead/machine
echo 2-3 >/etc/fairlead/machine/cores
apt-get remove -qq -y fairlead >"$folder/remove.log" 2>&1 || fail "it cannot be removed"
grep -q 'fairlead-machine undo cores' "$folder/remove.log" || fail "it does not say what fairlead-machine has left"
is_gone /usr/bin/fairlead
is_there /etc/fairlead/fairlead.toml
is_there /var/lib/fairlead/operator.json
say "removed, with state and configuration left"
apt-get purge -qq -y fairlead >"$folder/purge.log" 2>&1 || fail "it cannot be purged"
is_gone /var/lib/fairlead
is_gone /run/fairlead
is_gone /etc/needrestart/conf.d/fairlead.conf
is_there /etc/fairlead/fairlead.toml
left=$(find /usr /etc /var/lib -name '*fairlead*' -not -path '/etc/fairlead*' -not -path '/etc/systemd/system/fairlead.service.d*' -not -path '/var/lib/dpkg/*' | head)
[ -z "$left" ] || fail "it leaves behind: $left"
say "purged: only the operator's files are left"
