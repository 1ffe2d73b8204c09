# Shared by the OP-TEE scripts: paths, locks and errors. Sourced, not run.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
OPTEE="$CACHE/optee"
UNPACKED="$OPTEE/unpacked"
CORES=$(nproc)

TA_CRATE="$PROJECT/crates/ta-optee"
TA_UUID=$(cat "$TA_CRATE/uuid.txt")
# Debian has kits for real boards too: rockchip-rk3588, k3-am62x. TA_DEV_KIT=folder names one that
# you built.
TA_DEV_KIT="${TA_DEV_KIT:-$UNPACKED/optee/usr/lib/optee-os-dev/${OPTEE_PLATFORM:-vexpress-qemu_armv8a}}"
# The trusted application that guests run: never the one of `make ta`, which may be signed with a
# key of one's own.
GUEST_TA="$OPTEE/guest-ta"
OPTEE_IMAGES="$UNPACKED/optee/usr/lib/optee/vexpress-qemu_armv8a"

die() { say "$*"; exit 1; }

# Whether the tested version of OP-TEE had moved, so that Debian stable's was unpacked
# (scripts/optee/packages).
is_stable() {
  local stable
  stable=$(awk '$2 == "optee-os" { print $6 }' "$PROJECT/scripts/optee/packages.list")
  grep -qxF "optee-os $stable" "$UNPACKED/versions"
}

# Shows cargo's progress on a terminal only; a log does not need it.
QUIET=--quiet
[ ! -t 2 ] || QUIET=""

# Two scripts started at once must not build over each other: waits for the lock of that name.
lock() {
  mkdir -p "$OPTEE"
  exec 9>"$OPTEE/.$1.lock"
  flock 9
}

# make_disk FILE [FOLDER]: a disk, on which the sealed files survive a power-off. Empty, or with the
# folder's contents.
make_disk() {
  [ -x /sbin/mke2fs ] || install e2fsprogs
  rm -f "$1"
  truncate -s 32M "$1"
  /sbin/mke2fs -q -t ext4 ${2:+-d "$2"} "$1"
}

# A free port of 127.0.0.1.
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
