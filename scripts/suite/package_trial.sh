#!/bin/bash
# Tries the package in a bare root, where no systemd runs: installed, run, upgraded while it runs and restarted, downgraded and restarted,
# started on what a later version has left, removed, purged. Arguments: the folder of the packages, and the release of DPDK that the program
# must have. Run by scripts/packages, inside the root.
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
process=
# Starts the appliance as the unit does with the drop-in: the user, and the capabilities that stand there. What it logs is in run.log.
start() {
  : >"$folder/run.log"
  (
    umask 077
    exec ip netns exec trial setpriv --reuid=fairlead --regid=fairlead --init-groups --inh-caps="-all,$has" --ambient-caps="-all,$has" --bounding-set="-all,$has" --no-new-privs \
      env RUNTIME_DIRECTORY=/run/fairlead STATE_DIRECTORY=/var/lib/fairlead fairlead run --config /etc/fairlead/fairlead.toml
  ) >"$folder/run.log" 2>&1 &
  process=$!
  for _ in $(seq 300); do
    fairlead status >"$folder/status" 2>/dev/null && return
    kill -0 "$process" 2>/dev/null || { tail -n 5 "$folder/run.log" >&2; fail "it does not run"; }
    sleep 0.2
  done
  fail "it does not answer"
}
# Ends it as the unit does.
stop() {
  kill -TERM "$process"
  wait "$process" || fail "it does not end well"
}
# The other version's package is installed while the appliance runs, which goes on.
change_to() { # package version option
  apt-get install -y $3 "$1" >"$folder/change.log" 2>&1 || { tail -n 30 "$folder/change.log" >&2; fail "version $2 cannot be installed"; }
  [ "$(dpkg-query -W -f '${Version}' fairlead)" = "$2" ] || fail "version $2 is not installed"
  kill -0 "$process" 2>/dev/null || fail "installing version $2 has ended the appliance"
  fairlead status --json >/dev/null || fail "the appliance does not answer after version $2 was installed"
}
# What the operator has set is still so, and what the process before handed over was taken up.
knows_all() {
  fairlead state show >"$folder/state"
  grep -q 'sip-b.*draining' "$folder/state" || fail "the operator's admin state is gone: $(cat "$folder/state")"
  grep -q '198\.51\.100\.0/24' "$folder/state" || fail "the operator's exclusion is gone: $(cat "$folder/state")"
  grep -q 'handover\.taken' "$folder/run.log" || { cat "$folder/run.log" >&2; fail "nothing was taken over from the process before"; }
  is_gone /run/fairlead/state
}
says() { grep -q -- "$1" "$folder/run.log" || { cat "$folder/run.log" >&2; fail "its log does not say: $1"; }; }

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

for file in /usr/lib/systemd/system/fairlead.service /usr/share/man/man1/fairlead.1.gz /usr/share/man/man5/fairlead.toml.5.gz \
  /usr/share/bash-completion/completions/fairlead \
  /usr/share/zsh/vendor-completions/_fairlead /usr/lib/sysusers.d/fairlead.conf /etc/fairlead /usr/share/doc/fairlead/handbook/first-calls.md \
  /usr/share/doc/fairlead/handbook/reference/counters.md; do
  is_there "$file"
done
trial=/usr/share/doc/fairlead/dpdk-config/trial
apt-get install -qq -y --no-install-recommends mandoc >/dev/null 2>&1
for page in man1/fairlead.1 man5/fairlead.toml.5 man8/fairlead-machine.8; do
  zcat "/usr/share/man/$page.gz" >"$folder/page"
  said=$(mandoc -Tlint -W warning "$folder/page") || fail "mandoc finds fault with $page: $said"
done
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

# On devices of the kernel. Packages are fetched over this machine's network; the appliance has one of its own.
ip netns add trial
trap 'ip netns delete trial' EXIT
for side in outer inner; do
  ip -n trial link add "${side}0" type veth peer name "${side}1"
  for device in "${side}0" "${side}1"; do ip -n trial link set "$device" up; done
done
cores=$(taskset -cp $$ | sed 's/.*: //; s/[,-].*//')
own='admin_group = "fairlead"\nadmin_socket_ro = "/run/fairlead/ro.sock"\nadmin_group_ro = "fairlead-ro"\nhandover = "/run/fairlead/state"'
sed "s/^management = .*/management = $cores/; s/^workers = .*/workers = [$cores]/; s|^\[appliance\]|&\n$own|" \
  /usr/share/doc/fairlead/dpdk-config/examples/demo.toml >/etc/fairlead/fairlead.toml
fairlead check --quiet /etc/fairlead/fairlead.toml || fail "the trial's file is not valid"
install -d -o fairlead -g fairlead -m 750 /run/fairlead /var/lib/fairlead
has=$(sed -n 's/^AmbientCapabilities=//p' /etc/systemd/system/fairlead.service.d/af-packet.conf | tr 'A-Z ' 'a-z,' | sed 's/cap_/+/g')
start
grep -q 'outer' "$folder/status" || fail "it does not answer"
# Of the groups everybody may ask, and of nobody else anybody.
ask_as() { setpriv --reuid=nobody --regid="$1" --clear-groups fairlead --socket "/run/fairlead/$2" status >/dev/null 2>&1; }
ask_as fairlead admin.sock || fail "the group fairlead may not use the admin socket"
ask_as fairlead-ro ro.sock || fail "the group fairlead-ro may not use the read-only socket"
! ask_as nogroup admin.sock || fail "everybody may use the admin socket"
! ask_as fairlead-ro admin.sock || fail "the group fairlead-ro may use the admin socket"
say "it runs without root, and answers: $(head -n 1 "$folder/status")"

fairlead member drain sip-b >/dev/null
fairlead exclude add pair-1 198.51.100.0/24 >/dev/null
change_to "$new" 0.1.1-1 ""
is_there /etc/fairlead/fairlead.toml
say "upgraded, and the same process answers"
stop
is_there /run/fairlead/state
start
knows_all
say "restarted: $(sed -n 's/.* INFO \(.*\) event=handover\.taken.*/\1/p' "$folder/run.log" | cut -c1-100)"

change_to "$old" 0.1.0-1 --allow-downgrades
stop
start
knows_all
say "downgraded and restarted: $(sed 1d "$folder/state" | tr -s ' ' | cut -d' ' -f1-5 | paste -sd';')"

# What a later version has left, in formats that this one does not know.
stop
for kept in operator configurations events; do
  file=/var/lib/fairlead/$kept.json
  sed -i -E 's/("fairlead_[a-z_]+": ?)1,/\12,/; s/("written_by": ?)"[^"]*"/\1"9.0.0"/' "$file"
  head -c 200 "$file" | grep -Eq '"fairlead_[a-z_]+": ?2,' || fail "$file has no format: $(head -c 200 "$file")"
done
printf '\002\000' | dd of=/run/fairlead/state bs=1 seek=8 conv=notrunc status=none
start
for kept in operator configurations events; do says "$kept.json.*format 2, written by Fairlead 9.0.0; this is .*, which knows format 1"; done
says 'handover.refused'
is_there /run/fairlead/state.refused
[ "$(fairlead state show)" = "nothing: the appliance is as its file says" ] || fail "it has taken a state of a later version"
fairlead member drain sip-a >/dev/null
for kept in operator configurations events; do
  for _ in $(seq 50); do [ -e /var/lib/fairlead/$kept.json.unread ] && break || sleep 0.2; done
  grep -q '"9.0.0"' /var/lib/fairlead/$kept.json.unread || fail "what the later version left of $kept is not kept aside"
  ! grep -q '"9.0.0"' /var/lib/fairlead/$kept.json || fail "$kept.json is still the later version's"
done
fairlead state show | grep -q 'sip-a.*draining' || fail "nothing can be set after a later version"
sed 's/^/    /' "$folder/run.log" | grep -E 'format 2' | cut -c1-240
say "started on what a later version has left: put aside, named in the log"
stop
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
