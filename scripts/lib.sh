# Shared by the scripts: where the project is, and how tools get installed. Sourced, not run.
set -euo pipefail
PROJECT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE="$PROJECT/.cache"

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }

# install PACKAGE...: Debian packages, without recommends.
install() {
  # Two scripts that run at once take turns: dpkg does not wait.
  mkdir -p "$CACHE"
  exec 8>"$CACHE/.install.lock"
  flock 8
  say "installing $*"
  local as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  [ -n "${APT_UPDATED:-}" ] || "${as_root[@]}" apt-get update -qq
  export APT_UPDATED=1
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
  exec 8>&-
}

# need COMMAND PACKAGE: installs the package unless its command is there.
need() { command -v "$1" >/dev/null 2>&1 || install "$2"; }

# A machine may have the version of rust-toolchain.toml under another name, as stable: nothing is
# downloaded then.
pinned_rust() {
  command -v rustup >/dev/null && [ -z "${RUSTUP_TOOLCHAIN:-}" ] || return 0
  local pinned toolchain toolchains
  pinned=$(sed -n 's/^channel = "\(.*\)"$/\1/p' "$PROJECT/rust-toolchain.toml")
  toolchains=$(rustup toolchain list --quiet)
  [[ $'\n'$toolchains != *$'\n'"$pinned"-* ]] || return 0
  for toolchain in $toolchains; do
    if [[ $(RUSTUP_TOOLCHAIN=$toolchain rustc --version 2>/dev/null) == "rustc $pinned "* ]]; then
      export RUSTUP_TOOLCHAIN=$toolchain
      return
    fi
  done
}
pinned_rust
