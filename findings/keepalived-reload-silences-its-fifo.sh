#!/usr/bin/env bash
# After `systemctl reload keepalived` whoever reads its notify FIFO hears nothing more, and no error says so, unless the FIFO was there first.
#
# Seen with: keepalived 2.2.7-1+b2, Linux 6.18.44. Needs root, for network namespaces.
#
# keepalived is given `vrrp_notify_fifo PATH` and makes the FIFO. A program opens it and reads lines for as long as it runs, as one does. It
# hears BACKUP and MASTER. keepalived is reloaded with the same file; the link goes down, which is FAULT:
#     the FIFO was made by keepalived    another inode is at the path after the reload; the program hears nothing of FAULT, and is told no end
#                                        as long as it has the FIFO open for both (as one has who waits for the next writer)
#     the FIFO was made beforehand       the same inode, and FAULT is heard
# keepalived removes at a reload what it has made at the start, and makes it again; what it has found it leaves.
#
# Why it matters: the FIFO is offered so that a program hears in order what scripts would hear at once. One that moves addresses or takes part in a
# take-over goes on with the last state that it heard, for weeks, until the next take-over. `fifo_write_vrrp_states_on_reload` writes into the new
# FIFO. What helps is to make the FIFO first (mkfifo, tmpfiles.d), or to compare the inode of the path with that of the descriptor.
. "$(dirname "$0")/common.bash"
debian keepalived=1:2.2.7-1+b2

# run NAME: whether the FIFO is the same after the reload, and what was heard of FAULT, into `fifo` and `heard`.
run() {
    local folder=$tmp/$1 before after reader
    mkdir -p "$folder"
    [ "$1" != beforehand ] || mkfifo -m 0600 "$folder/fifo"
    space router
    space other
    wire router eth0 other eth0
    address router eth0 10.9.2.1/24
    cat >"$folder/keepalived.conf" <<C
global_defs {
    vrrp_notify_fifo $folder/fifo
}
vrrp_instance one {
    state BACKUP
    interface eth0
    virtual_router_id 7
    priority 100
    version 3
    advert_int 0.2
    virtual_ipaddress {
        10.9.2.100/24
    }
}
C
    at router keepalived --dont-fork --log-console --vrrp --use-file "$folder/keepalived.conf" --pid "$folder/pid" --vrrp_pid "$folder/vrrp" \
        >"$folder/log" 2>&1 &
    for _ in $(seq 100); do
        [ ! -p "$folder/fifo" ] || break
        sleep 0.05
    done
    cat <>"$folder/fifo" >"$folder/heard" &
    reader=$!
    wait_for "$folder/heard" MASTER
    before=$(stat -c %i "$folder/fifo")
    kill -HUP "$(cat "$folder/pid")"
    sleep 2
    after=$(stat -c %i "$folder/fifo")
    [ "$before" = "$after" ] && fifo=same || fifo=another
    ip -n router$$ link set dev eth0 down
    sleep 2
    grep -q FAULT "$folder/heard" && heard=yes || heard=no
    grep -q 'FAULT' "$folder/log" || failed "keepalived itself saw no FAULT: $(tail -3 "$folder/log")"
    kill "$reader" "$(cat "$folder/pid")"
    sleep 1
    leave_spaces
}

wait_for() {
    for _ in $(seq 200); do
        ! grep -q "$2" "$1" || return 0
        sleep 0.05
    done
    failed "no $2 within 10 s: $(cat "$1")"
}

run by-itself
same "made by keepalived: FIFO after the reload" "$fifo" another
same "made by keepalived: FAULT is heard" "$heard" no
run beforehand
same "made beforehand: FIFO after the reload" "$fifo" same
same "made beforehand: FAULT is heard" "$heard" yes
verdict
