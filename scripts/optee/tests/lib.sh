# Shared by the scenarios of scripts/optee/tests: a folder for one run, and the client that tests
# the trusted application. Sourced, not run.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
cd "$PROJECT"
mkdir -p "$OPTEE"
work=$(mktemp -d "$OPTEE/test-$(basename "$0").XXXXXX")
trap 'rm -rf "$work"' EXIT
disk="$work/disk" guest="$work/guest.gz"
export LOGS="${LOGS:-$OPTEE/logs/$(basename "$0")}"
tests="$OPTEE/guest-target/aarch64-unknown-linux-gnu/release/ta-optee-guest-tests"

# build_tests: the trusted application, and crates/ta-optee/tests-guest at $tests.
build_tests() {
  TA_OUT="$GUEST_TA" scripts/optee/ta >/dev/null
  (cd crates/ta-optee/tests-guest && "$PROJECT/scripts/optee/cargo-guest" build --release --quiet)
}

# pack_tests RUN [FILE:PLACE]...: packs $guest, which runs that script with the client at
# /guest/tests.
pack_tests() { scripts/optee/guest "$guest" "$1" "$tests:/guest/tests" "${@:2}"; }

# build_test_ta: the trusted application with features only for tests, in the folder $test_ta:
# never where the real one is.
test_ta="$OPTEE/ta-for-tests"
build_test_ta() {
  SUPER_RELAY_TEST_TA=1 TA_FEATURES=for-tests TA_OUT="$test_ta" CARGO_TARGET_DIR="$test_ta/target" scripts/optee/ta >/dev/null
}
