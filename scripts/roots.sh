# Roots of other Debian releases, made once and entered. To be sourced by scripts that run at the top of the checkout, as root.

mirror=http://deb.debian.org/debian
# What a root needs in which Fairlead is built and tested.
BUILDS=libdpdk-dev,dpdk,libclang-dev,clang,pkg-config,libnuma-dev,libpcap-dev,libssl-dev,gcc,libc6-dev,git
BUILDS+=,ca-certificates,iproute2,ethtool,procps,kmod,util-linux

fail() {
  echo "scripts/$(basename "$0"): $1" >&2
  exit 1
}

# Makes a root of the Debian release $1 at $2 with the packages $3, unless it is there.
make_root() {
  mkdir -p "$(dirname "$2")"
  # Whoever else is making it has this machine's /dev and /sys in there.
  exec 9>"$2.lock"
  flock 9
  _make_root "$@"
  exec 9>&-
}

_make_root() {
  [ -e "$2.made" ] && return
  command -v mmdebstrap >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -qq -y mmdebstrap >/dev/null
  rm -rf --one-file-system "$2"
  echo "making a root of Debian $1 (some minutes)"
  # A mirror that is behind is as good: the release is what counts.
  mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' --include="$3" \
    "$1" "$2" "$mirror" >"$2.log" 2>&1 || fail "the root of Debian $1 cannot be made: see $2.log"
  touch "$2.made"
}

# Runs a command in root $1 with this checkout, this machine's Rust, /dev and /sys. The root is pivoted to, not merely
# changed to: nobody in a chroot may make the user namespaces that the kernel's tests need.
enter() {
  local root=$1 home
  shift
  home=$(getent passwd "${SUDO_USER:-root}" | cut -d: -f6)
  _pivoted "" "$root" "$home" "$PWD:$home/.cargo:$home/.rustup" "$@"
}

# Runs a command in root $1 with nothing of this machine but the folder $2, /dev and /sys, and sees none of its processes.
# Packages that are installed there cannot change how its kernel is set.
enter_alone() {
  local root=$1 folder=$2
  shift 2
  _pivoted "--pid --fork --kill-child" "$root" /root "$folder" \
    bash -ec 'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec "$@"' bash "$@"
}

_pivoted() {
  # shellcheck disable=SC2086
  unshare --mount $1 bash -euc '
    root=$1 home=$2 seen=$3 here=$4
    shift 4
    mount --make-rprivate /
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount --rbind /sys "$root/sys"
    mount -t tmpfs tmpfs "$root/run"
    IFS=:
    for one in $seen; do
      mkdir -p "$root$one"
      mount --bind "$one" "$root$one"
    done
    unset IFS
    mkdir -p "$root/old"
    pivot_root "$root" "$root/old"
    umount -l /old
    cd "$here" 2>/dev/null || cd /
    exec env -i HOME="$home" PATH="$home/.cargo/bin:/usr/sbin:/usr/bin:/sbin:/bin" TERM="${TERM:-dumb}" \
      CARGO_TERM_COLOR=never "$@"
  ' bash "$2" "$3" "$4" "$PWD" "${@:5}"
}
